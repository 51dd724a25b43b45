/** The command line: words, exit codes and messages of the built program. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { type Finished, runProgram } from '../support/program.js';
import { expectFailure } from './expectations.js';

vi.setConfig({ testTimeout: 120_000 });

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

describe('the command line', () => {
  it('prints its version with --version', async () => {
    const { code, stdout, stderr } = await runProgram(['--version']);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: `qx-controlplane ${version}\n`,
      stderr: '',
    });
  });

  it.each([['--help'], ['-h'], ['migrate', '--help']])(
    'prints all commands and exit codes with %s %s',
    async (...args) => {
      const { code, stdout, stderr } = await runProgram(args.filter(Boolean));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const word of [
        'serve',
        'migrate up',
        'user create NAME',
        'doctor',
        'backup',
        'restore NAME',
        'agent',
        'Exit codes',
      ])
        expect(stdout).toContain(word);
    },
  );

  it.each<[string[], string]>([
    [['launch'], 'There is no command "launch".'],
    [['--bogus'], "Unknown option '--bogus'."],
    [['serve', '--role', 'ADMIN'], 'The command "serve" has no option --role.'],
    [['migrate', 'up', '--dev'], 'The command "migrate" has no option --dev.'],
    [['serve', 'now'], 'serve takes no "now".'],
    [['serve', '--port'], "Option '--port <value>' argument missing"],
    [['serve', '--dev=yes'], "Option '--dev' does not take an argument"],
    [['migrate'], 'Say "migrate up", "migrate down" or "migrate status".'],
    [['migrate', 'sideways'], 'Say "migrate up", "migrate down" or "migrate status".'],
    [['migrate', 'up', 'again'], 'migrate up takes no "again".'],
    [['migrate', 'status', '--to', '000001'], 'migrate status takes no --to.'],
    [['user'], 'Say "user create NAME", "user list", '],
    [['user', 'create'], 'Say "user create NAME", "user list", '],
    [['user', 'list', 'ada'], 'Say "user create NAME", "user list", '],
    [['user', 'delete', 'ada'], 'Say "user create NAME", "user list", '],
    [['secrets'], 'Say "secrets renew".'],
    [['secrets', 'show'], 'Say "secrets renew".'],
    [['backup', 'now'], 'backup takes no "now".'],
    [['backup', '--force'], 'The command "backup" has no option --force.'],
    [['restore'], 'Say "restore NAME" or "restore --undo".'],
    [['restore', 'x', '--undo'], 'Say "restore NAME" or "restore --undo".'],
    [['restore', '--undo', '--unsealed'], 'restore --undo reads no archive'],
    [['restore', 'x', '--key-file', '/nonexistent'], 'The file of --key-file cannot be read'],
    [['backups', 'remove'], 'Say "backups", "backups verify NAME"'],
    [['backups', 'extract', 'x'], '--to DIR belongs to "backups extract", and that needs it.'],
    [['backups', 'verify', 'x', '--to', 'y'], '--to DIR belongs to "backups extract"'],
    [['doctor', 'please'], 'doctor takes no "please".'],
    [['doctor', '--dev'], 'The command "doctor" has no option --dev.'],
    [['agent'], 'agent needs --server URL.'],
    [['agent', '--server', 'localhost:8080'], '"localhost:8080" is not an http or https URL.'],
    [['agent', '--server', 'http://localhost'], 'agent needs a token'],
    [['agent', '--server', 'http://u:p4ssw0rd@localhost', '--token', 'x'], 'no user or password'],
    [['agent', '--server', 'http://localhost', '--token', 'x', '--simulate', '0'], '--simulate'],
    [['agent', '--server', 'http://localhost', '--token', 'x', '--log-level', 'loud'], 'loud'],
  ])('refuses %j with exit code 2 and a word on how to go on', async (args, message) => {
    const finished = await runProgram(args);
    expectFailure(finished, 2, message);
    expect(finished.stderr).toMatch(/Try "qx-controlplane --help"\.\n$/);
    expect(finished.stderr.trim().split('\n')).toHaveLength(2);
    expect(finished.stderr).not.toContain('p4ssw0rd');
  });
});

describe('a wrong configuration', () => {
  const check = (yaml: string, env: Record<string, string> = {}): Promise<Finished> =>
    runProgram(['serve', '--config', 'config.yaml'], { files: { 'config.yaml': yaml }, env });

  it('names an unknown key, its line and the key that was meant', async () => {
    const finished = await check('server:\n  prot: 8080\n');
    expectFailure(finished, 2, 'The configuration has 1 fault:');
    expect(finished.stderr).toMatch(/server\.prot \(config\.yaml:2\): .*did you mean server\.port/);
  });

  it('says where malformed YAML is malformed', async () => {
    expectFailure(await check('server: {port: 1\nlog: [\n'), 2, /config\.yaml:\d+:\d+: malformed/);
  });

  it('shows all faults of all sources at once', async () => {
    const finished = await check('server: {port: 70000}\nauth: {session_ttl: soon}\n', {
      QUANTIX_LOG_LEVEL: 'loud',
      QUANTIX_DATABSE_HOST: 'db',
    });
    expectFailure(finished, 2, 'The configuration has 4 faults:');
    for (const name of ['server.port', 'auth.session_ttl', 'log.level', 'QUANTIX_DATABSE_HOST'])
      expect(finished.stderr).toContain(name);
  });

  it('says that a file is missing, or is no file', async () => {
    const missing = await runProgram(['serve', '--config', 'nowhere.yaml']);
    expectFailure(missing, 2, /--config: the configuration file nowhere\.yaml does not exist/);
    expectFailure(
      await runProgram(['serve', '--config', '.']),
      2,
      /configuration file \. .*(directory|folder)/,
    );
  });

  it('never shows a secret, wherever it stands', async () => {
    const finished = await check('database: {password: [hunter2]}\nredis: hunter2\n', {
      QUANTIX_DATABASE_PASSWORD_FILE: '/nonexistent/hunter3',
    });
    expectFailure(finished, 2, 'database.password');
    expect(finished.stderr).not.toContain('hunter2');
  });

  it.each(['migrate', 'user'])('stops the command %s as well', async (command) => {
    const words =
      { migrate: ['migrate', 'status'], user: ['user', 'create', 'ada'] }[command] ?? [];
    const finished = await runProgram([...words, '--config', 'config.yaml'], {
      files: { 'config.yaml': 'databse: {}\n' },
      stdin: 'correct horse battery\n',
    });
    expectFailure(finished, 2, 'did you mean database?');
  });
});
