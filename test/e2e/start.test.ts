/** Starting in production: what is in the way is said in one line, and what can wait is waited for. */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CONFIG, configFile, type Installation, install } from '../support/installation.js';
import { runProgram, serve } from '../support/program.js';
import { freePorts, LOOPBACK } from '../support/services/ports.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { query } from './database.js';
import { expectFailure, figures, readiness } from './expectations.js';
import { forward } from './forward.js';

vi.setConfig({ testTimeout: 120_000 });

let installation: Installation;
beforeAll(async () => {
  installation = await install();
  await installation.run(['migrate', 'up']);
});

/** config.yaml for the shared server, with `change` in its section `database`. */
function databaseConfig(change: Record<string, unknown>): Record<string, string> {
  const text = configFile(sharedPostgres(), installation.database, { database: change });
  return { 'config.yaml': text, jwt: installation.jwtSecret };
}

const start = (files: Record<string, string>) =>
  runProgram(['serve', '--port', '0', ...CONFIG], { files });

describe('an address that cannot be listened on', () => {
  let other: Server;
  let port: number;
  beforeAll(async () => {
    other = createServer().listen(0, LOOPBACK);
    await new Promise((resolve) => other.once('listening', resolve));
    port = (other.address() as { port: number }).port;
  });
  afterAll(() => new Promise((resolve) => other.close(resolve)));

  it('is named when another program has it, in production and in dev mode', async () => {
    const message = `127.0.0.1:${port} is in use by another program. Stop it, or choose another port`;
    expectFailure(await installation.run(['serve', '--port', String(port)]), 1, message);
    expectFailure(await runProgram(['--dev', '--port', String(port)]), 1, message);
  });

  it('is named when it is not an address of this machine', async () => {
    const finished = await installation.run(['serve', '--host', '192.0.2.1']);
    expectFailure(finished, 1, '192.0.2.1 is not an address of this machine.');
  });
});

describe('PostgreSQL that cannot be used', () => {
  it('ends the start when it does not answer and the fallback is "refuse"', async () => {
    const [port] = await freePorts(1);
    const finished = await start(databaseConfig({ port, connect_timeout: '200ms' }));
    expectFailure(
      finished,
      1,
      `PostgreSQL at 127.0.0.1:${port}, database ${installation.database}`,
    );
    expect(finished.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('ends the start, and is named, when it takes connections and says nothing', async () => {
    const silent = createServer().listen(0, LOOPBACK);
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    try {
      const finished = await start(databaseConfig({ port, connect_timeout: '200ms' }));
      expectFailure(finished, 1, `PostgreSQL at 127.0.0.1:${port}`);
    } finally {
      silent.close();
    }
  });

  it.each(['refuse', 'memory'])(
    'names user and host, never the password, when that is wrong (fallback "%s")',
    async (fallback) => {
      const finished = await start(databaseConfig({ password: 'hunter2-Wr0ng', fallback }));
      expectFailure(finished, 1, /PostgreSQL at 127\.0\.0\.1:\d+, .* user "quantix"/);
      expect(finished.stderr + finished.stdout).not.toContain('hunter2');
    },
  );

  it('names a database that does not exist', async () => {
    expectFailure(
      await start(databaseConfig({ database: 'nowhere' })),
      1,
      '"nowhere" does not exist',
    );
  });

  it('refuses a database of a newer program', async () => {
    const newer = await install();
    await newer.run(['migrate', 'up']);
    await query(
      sharedPostgres(),
      newer.database,
      `UPDATE _prisma_migrations SET migration_name = '000099_future' WHERE migration_name LIKE '000008%'`,
    );
    const finished = await newer.run(['serve', '--port', '0']);
    expectFailure(
      finished,
      1,
      'The database is newer than this program: it has the migration 000099',
    );
  });

  it('is served for from memory, as nobody can overlook, and returned to when it is back', async () => {
    const [port] = await freePorts(1);
    const files = databaseConfig({ port, connect_timeout: '200ms', fallback: 'memory' });
    const served = await serve(CONFIG, { files });
    try {
      await served.program.logged(
        'PostgreSQL cannot be reached: serving from memory, nothing written now will last',
      );
      expect(await readiness(served.url)).toMatchObject({
        status: 503,
        obstacles: ['serving from memory: PostgreSQL cannot be reached'],
        degraded: expect.arrayContaining(['postgres']),
      });
      const { extensions } = await served.client().answer('{ server { version } }');
      expect(extensions.degraded).toContain('postgres');
      const missing = async () =>
        (await figures(served.url)).get('quantix_degraded{server="postgres"}');
      expect(await missing()).toBe(1);
      expect((await figures(served.url)).get('quantix_leading')).toBe(0);
      expect((await fetch(`${served.url}/healthz`)).status).toBe(200);

      await installation.createUser('ada', 'ADMIN');
      const postgres = await forward(port as number, sharedPostgres());
      try {
        await until('ready again', async () => (await readiness(served.url)).ready);
        const ada = await served.signIn('ada', installation.password);
        const { data, extensions } = await ada.answer(
          '{ server { dataSource persistent degraded } }',
        );
        expect(data).toMatchObject({ server: { dataSource: 'POSTGRES', persistent: true } });
        expect(extensions.degraded).not.toContain('postgres');
        expect(await missing()).toBe(0);
        await served.program.logged(
          'PostgreSQL is back: what was written to memory meanwhile is dropped',
        );
        expect((await served.program.stop()).code).toBe(0);
      } finally {
        await postgres.close();
      }
    } finally {
      await served.program.dispose();
    }
  });
});
