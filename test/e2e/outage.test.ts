/** PostgreSQL goes away under a serving program: callers are told so, nothing acknowledged is lost, and it heals by itself. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Client, GraphQLFault } from '../support/client.js';
import { type Installation, install } from '../support/installation.js';
import type { Served } from '../support/program.js';
import { type PostgresHandle, startPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';
import { query } from './database.js';
import { figures, readiness } from './expectations.js';
import { createProject } from './operations.js';

vi.setConfig({ testTimeout: 120_000 });

let postgres: PostgresHandle;
let installation: Installation;
let served: Served;
let ada: Client;

beforeAll(async () => {
  postgres = await startPostgres({ durable: true });
  installation = await install(
    {
      server: { request_timeout: '2s' },
      database: { connect_timeout: '2s', statement_timeout: '1s' },
    },
    postgres,
  );
  await installation.createUser('ada', 'ADMIN');
  served = await installation.serve();
  ada = await served.signIn('ada', installation.password);
});
afterAll(async () => {
  await served?.program.dispose();
  await postgres?.dispose();
});

/** Creates one project after the other, each until it is acknowledged, as a careful client does: with an idempotency key. */
function keepWriting(prefix: string) {
  const acknowledged: string[] = [];
  const refusals: string[] = [];
  let stopped = false;
  const write = async () => {
    while (!stopped) {
      const name = `${prefix}-${acknowledged.length}`;
      await createProject(ada, name, name).then(
        () => acknowledged.push(name),
        (error: Error) => refusals.push(error.message),
      );
    }
  };
  const writing = write();
  return {
    acknowledged,
    refusals,
    async stop() {
      stopped = true;
      await writing;
    },
  };
}

const degraded = async (): Promise<unknown[]> => {
  const { extensions } = await ada.answer('{ __typename }');
  return (extensions.degraded as unknown[] | undefined) ?? [];
};
const missing = async () => (await figures(served.url)).get('quantix_degraded{server="postgres"}');

const stored = async (prefix: string) => {
  const rows = await query<{ name: string }>(
    postgres,
    installation.database,
    `SELECT name FROM projects WHERE name LIKE '${prefix}-%'`,
  );
  return rows.map(({ name }) => name).sort();
};

describe.each([
  ['frozen', () => postgres.pause(), () => postgres.resume()],
  ['killed', () => postgres.kill(), () => postgres.restart()],
])('while PostgreSQL is %s', (how, goAway, comeBack) => {
  it('callers get UNAVAILABLE, what was acknowledged stays, and all is well when it is back', async () => {
    const { pid } = served.program;
    const writer = keepWriting(how);
    await until('some are written', () => writer.acknowledged.length >= 5);
    await goAway();
    try {
      const fault = await until('a refusal', async () => {
        const { errors } = await ada.answer('{ clusters { nodes { name } } }');
        return errors[0] as GraphQLFault | undefined;
      });
      expect(fault.extensions).toMatchObject({
        code: 'UNAVAILABLE',
        retryable: true,
        retryAfterMs: expect.any(Number),
      });
      expect(fault.message).not.toMatch(/prisma|connect|postgres|127\.0\.0\.1/i);
      expect(await readiness(served.url)).toMatchObject({
        status: 503,
        ready: false,
        obstacles: ['the database does not answer'],
      });
      expect((await fetch(`${served.url}/healthz`)).status).toBe(200);
      await until('every answer says so', async () => (await degraded()).includes('postgres'));
      expect((await readiness(served.url)).degraded).toContain('postgres');
      expect(await missing()).toBe(1);
      const { errors } = await served
        .client('qxa_has_to_be_looked_up')
        .answer('{ viewer { name } }');
      expect(errors[0]?.extensions).toMatchObject({ code: 'UNAVAILABLE', retryable: true });
      await until('the writer sees it too', () => writer.refusals.length > 0, 30_000);
    } finally {
      await comeBack();
    }
    await until('ready again', async () => (await readiness(served.url)).ready, 60_000);
    await until('no answer says so', async () => !(await degraded()).includes('postgres'));
    expect(await missing()).toBe(0);
    const before = writer.acknowledged.length;
    await until('writing goes on', () => writer.acknowledged.length > before + 5, 60_000);
    await writer.stop();

    for (const refusal of writer.refusals) expect(refusal).toContain('"code":"UNAVAILABLE"');
    const names = await stored(how);
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(expect.arrayContaining(writer.acknowledged));
    expect(served.program.running && served.program.pid).toBe(pid);
    expect(served.program.stderr).toBe('');
  });
});

it('a stop is not held up by a frozen PostgreSQL', async () => {
  postgres.pause();
  try {
    const waiting = ada.answer('{ clusters { nodes { name } } }').catch(() => undefined);
    await until('a request at work', async () => {
      const now = await figures(served.url);
      const connections = (state: string) =>
        now.get(`quantix_database_connections{state="${state}"}`);
      return Number(connections('idle')) < Number(connections('total'));
    });
    const started = performance.now();
    expect(await served.program.stop()).toEqual({ code: 0, signal: null });
    expect(performance.now() - started).toBeLessThan(6_000); // of the 10 s that it may take
    await waiting;
  } finally {
    postgres.resume();
  }
});
