/** `migrate` and `user` on a real PostgreSQL: each once as the program itself, and in this process for all that they say. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Installation, install } from '../support/installation.js';
import type { Served } from '../support/program.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { query } from './database.js';
import { expectFailure } from './expectations.js';

vi.setConfig({ testTimeout: 120_000 });

let installation: Installation;
/** Runs from the first user on: it has to hear of what is done beside it. */
let served: Served;
beforeAll(async () => {
  installation = await install();
});
afterAll(() => served?.program.dispose());

const tables = () =>
  query<{ count: string }>(
    sharedPostgres(),
    installation.database,
    `SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`,
  ).then(([row]) => Number(row?.count));

describe('migrate', () => {
  const migrate = (...words: string[]) => installation.here(['migrate', ...words]);
  const lines = (text: string) => text.trimEnd().split('\n');

  it('shows every migration as pending on an empty database, and changes nothing by looking', async () => {
    const { code, stdout, stderr } = await installation.run(['migrate', 'status']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines(stdout)[0]).toMatch(/^000001_init +pending$/);
    expect(lines(stdout).every((line) => /^\d{6}_\w+ +pending$/.test(line))).toBe(true);
    expect(await tables()).toBe(0);
  });

  it('goes up to a migration, then to the newest, then nowhere', async () => {
    const first = await migrate('up', '--to', '000001');
    expect([first.code, first.stdout]).toEqual([0, 'applied 000001_init\n']);
    const rest = await migrate('up');
    expect(rest.code).toBe(0);
    expect(lines(rest.stdout)[0]).toBe('applied 000002_admin_tables');
    expect((await migrate('up')).stdout).toBe('nothing to do\n');
    const { stdout } = await migrate('status');
    expect(lines(stdout).length).toBe(lines(rest.stdout).length + 1);
    for (const line of lines(stdout))
      expect(line).toMatch(/^\d{6}_\w+ +applied +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('goes down by one, then to nothing, and the database is empty again', async () => {
    const newest = lines((await migrate('status')).stdout)
      .at(-1)
      ?.split(' ')[0];
    expect((await migrate('down')).stdout).toBe(`reverted ${newest}\n`);
    expect((await migrate('status')).stdout).toMatch(new RegExp(`${newest} +pending\n$`));
    const { code, stdout } = await migrate('down', '--to', 'none');
    expect([code, lines(stdout).at(-1)]).toEqual([0, 'reverted 000001_init']);
    expect(await tables()).toBe(0);
    expect((await migrate('down')).stdout).toBe('nothing to do\n');
  });

  it('names the migrations there are when it is to stop at one that there is not', async () => {
    const finished = await migrate('up', '--to', 'tomorrow');
    expectFailure(finished, 1, /There is no migration tomorrow\. There are: 000001_init, /);
    expect(await tables()).toBe(0);
  });

  it('says which server does not answer', async () => {
    const finished = await installation.run(['migrate', 'status'], {
      env: { QUANTIX_DATABASE_PORT: '1' },
    });
    expectFailure(finished, 1, 'PostgreSQL at 127.0.0.1:1, database');
  });
});

describe('user create', () => {
  const create = (stdin: string, ...words: string[]) =>
    installation.here(['user', 'create', ...words], { stdin });
  const users = () =>
    query<{ username: string; email: string; role: string }>(
      sharedPostgres(),
      installation.database,
      'SELECT username, email, role::text FROM users ORDER BY username',
    );

  it('makes a user on an empty database, who can then sign in', async () => {
    const made = await installation.run(['user', 'create', 'ada', '--role', 'ADMIN'], {
      stdin: `${installation.password}\n`,
    });
    expect(made).toEqual({ code: 0, signal: null, stdout: 'created ADMIN ada\n', stderr: '' });
    served = await installation.serve();
    const ada = await served.signIn('ada', installation.password);
    const { data } = await ada.answer('{ viewer { name role } }');
    expect(data).toEqual({ viewer: { name: 'ada', role: 'ADMIN' } });
  });

  it('is a viewer at localhost when nothing else is said; the last line needs no end', async () => {
    const { stdout } = await create('correct horse battery', 'vic');
    expect(stdout).toBe('created VIEWER vic\n');
    expect(await users()).toContainEqual({
      username: 'vic',
      email: 'vic@localhost',
      role: 'VIEWER',
    });
  });

  it.each<[string, string, string[], 1 | 2, string | RegExp]>([
    ['no password', '', ['bob'], 2, 'No password came on standard input.'],
    ['an empty line', '\ncorrect horse battery\n', ['bob'], 2, 'No password came'],
    ['a short password', 'hunter2\n', ['bob'], 1, /^password: must have at least 12 characters$/m],
    [
      'a name that is taken',
      'correct horse battery\n',
      ['ada'],
      1,
      'A User with the username "ada" exists already.',
    ],
    [
      'an email that is taken',
      'correct horse battery\n',
      ['bob', '--email', 'VIC@localhost'],
      1,
      /email "VIC@localhost" exists already/,
    ],
    [
      'a name that is none',
      'correct horse battery\n',
      ['Bob Smith'],
      1,
      /^username: must begin with a lower-case letter/,
    ],
    [
      'an email that is none',
      'correct horse battery\n',
      ['bob', '--email', 'bob'],
      1,
      /^email: must be an e-mail address/,
    ],
    [
      'a role that is none',
      'correct horse battery\n',
      ['bob', '--role', 'ROOT'],
      2,
      '--role takes ADMIN, OPERATOR or VIEWER, not "ROOT".',
    ],
  ])('refuses %s in one line, and makes nobody', async (_what, stdin, words, code, message) => {
    const before = await users();
    const finished = await create(stdin, ...words);
    expectFailure(finished, code, message);
    expect(finished.stdout).toBe('');
    expect(finished.stderr).not.toContain(stdin.trim() || '(nothing)');
    expect(await users()).toEqual(before);
  });

  it.each([
    ['a password that everybody has', 'password1234', /is easy to guess: it is like passwords/],
    [
      'the name of the user',
      'bobby.bobby.bobby',
      /is easy to guess: it (repeats itself|is made of)/,
    ],
  ])('refuses %s', async (_what, password, message) => {
    const finished = await create(`${password}\n`, 'bobby');
    expectFailure(finished, 1, message);
  });

  it('never makes a user in memory when PostgreSQL does not answer', async () => {
    const finished = await installation.here(['user', 'create', 'bob'], {
      stdin: 'correct horse battery\n',
      env: { QUANTIX_DATABASE_PORT: '1', QUANTIX_DATABASE_FALLBACK: 'memory' },
    });
    expectFailure(finished, 1, 'PostgreSQL at 127.0.0.1:1');
    expect(finished.stdout).toBe('');
  });
});

describe('the other words of user', () => {
  it('list, lock out, let in again, and give another password, which a running instance hears of', async () => {
    const user = async (words: string[], stdin = '') => {
      const { code, stdout, stderr } = await installation.here(['user', ...words], { stdin });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return stdout;
    };
    const vic = await served.signIn('vic', installation.password);
    expect(await user(['list'])).toMatch(
      /^ada +ADMIN +enabled .*\nvic +VIEWER +enabled +1 sessions /,
    );
    expect(await user(['disable', 'vic'])).toContain('signed out');
    await until('it is signed out', async () => {
      const { errors } = await vic.answer('{ viewer { name } }');
      return errors[0]?.extensions.code === 'UNAUTHENTICATED';
    });
    expect(await user(['enable', 'vic'])).toBe('vic can sign in\n');
    const password = 'a pigeon under seven hats';
    await user(['set-password', 'vic', '--must-change-password'], `${password}\n`);
    const again = await served.signIn('vic', password);
    const { errors } = await again.answer('{ viewer { name } }');
    expect(errors[0]?.extensions.code).toBe('PASSWORD_CHANGE_REQUIRED');
    expect(await user(['revoke-sessions', 'vic'])).toBe('vic is signed out everywhere\n');
    await until('its session has ended', async () => {
      const { errors } = await again.answer('{ viewer { name } }');
      return errors[0]?.extensions.code === 'UNAUTHENTICATED';
    });
  });

  it('refuse to leave nobody in charge, and to speak of nobody', async () => {
    expectFailure(
      await installation.here(['user', 'disable', 'ada']),
      1,
      'ada is the last enabled administrator',
    );
    expectFailure(
      await installation.here(['user', 'enable', 'nobody']),
      1,
      'There is no user "nobody".',
    );
  });
});
