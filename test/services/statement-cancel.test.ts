/** What PostgreSQL does for a request ends with the request: when its time is over, and when its client has gone. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type App, createApp } from '../../src/app.js';
import { whileWanted } from '../../src/data/cancel.js';
import { createLogger } from '../../src/log.js';
import { type Hold, holdTable } from '../e2e/database.js';
import { configOn, postgresConfig } from '../support/app.js';
import { createClient } from '../support/client.js';
import { createSeed } from '../support/seed.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { until } from '../support/until.js';

/** Nothing else may end a statement that waits. */
const PATIENT = { statementTimeoutMs: 0, lockTimeoutMs: 0 };
const READ = '{ clusters { nodes { name } } }';
const WRITE = 'mutation { createCluster(input: { name: "sesame" }) { __typename } }';

let database: string;
let impatient: App;
let patient: App;
let url: string;
let token: string;
let hold: Hold;
const lines: { msg?: string }[] = [];

beforeAll(async () => {
  const first = await postgresConfig({
    database: PATIENT,
    server: { requestTimeoutMs: 300 },
    auth: { jwtSecret: 'x'.repeat(32) },
  });
  ({ database } = first.database);
  const second = configOn(database, {
    database: PATIENT,
    server: { port: 0 },
    auth: { jwtSecret: 'x'.repeat(32) },
  });
  const write = (line: string) => lines.push(JSON.parse(line));
  impatient = await createApp(first, { log: createLogger({ level: 'silent' }) });
  patient = await createApp(second, { log: createLogger({ level: 'info' }, { write }) });
  url = (await patient.start()).url;
  const seed = createSeed(patient.services.data);
  await seed.user('ADMIN', { username: 'ada' });
  token = await createClient((request) => patient.fetch(request), null).login('ada', seed.password);
});
afterAll(async () => {
  await impatient.stop();
  await patient.stop();
});
beforeEach(async () => {
  hold = await holdTable(sharedPostgres(), database, 'clusters', 'all');
});
afterEach(() => hold.release());

const post = (query: string, signal?: AbortSignal): [string, RequestInit] => [
  `${url}/graphql`,
  {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
    ...(signal ? { signal } : {}),
  },
];
const cancelled = () => lines.filter(({ msg }) => msg?.includes('were cancelled')).length;

it.each([
  ['read', READ],
  ['command', WRITE],
])('a %s whose deadline passes leaves no statement behind', async (_kind, query) => {
  const answer = await impatient.fetch(new Request(...post(query)));
  expect(await answer.json()).toMatchObject({
    errors: [{ extensions: { code: 'UNAVAILABLE', retryable: true } }],
  });
  await hold.waiters(0); // while the table is still held: it did not get its turn, it was ended
  expect(impatient.services.data.pool().waiting).toBe(0);
});

it.each([
  ['read', READ],
  ['command', WRITE],
])(
  'a %s whose client goes leaves no statement behind, and the connection serves the next',
  async (_kind, query) => {
    const before = cancelled();
    const hangUp = new AbortController();
    const asked = fetch(...post(query, hangUp.signal)).catch(() => 'gone');
    await hold.waiters(1);
    hangUp.abort();
    expect(await asked).toBe('gone');
    await hold.waiters(0);
    await until('it was told', () => cancelled() > before);
    await hold.release();
    const { data } = (await (await fetch(...post(READ))).json()) as { data: object };
    expect(data).toEqual({ clusters: { nodes: [] } }); // nothing of the command is there either
  },
);

it('what is done about a request that is over is not cut off with it', async () => {
  const { data } = patient.services;
  const over = AbortSignal.abort(new Error('over'));
  const written = whileWanted(over, () =>
    data.transaction((tx) => tx.$executeRaw`SELECT pg_sleep(0.4)`),
  );
  await expect(written).resolves.toBeDefined();
  await expect(
    whileWanted(over, async () => data.db.$queryRaw`SELECT pg_sleep(30)`),
  ).rejects.toThrow(/canceling statement/);
});
