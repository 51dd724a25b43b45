/** A slow statement on a real server is in the log with its request's id and without its values. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type App, createApp } from '../../src/app.js';
import { newId } from '../../src/ids.js';
import { createLogger } from '../../src/log.js';
import { type Hold, holdTable } from '../e2e/database.js';
import { postgresConfig } from '../support/app.js';
import { createClient } from '../support/client.js';
import { createSeed } from '../support/seed.js';
import { sharedPostgres } from '../support/services/postgres.js';

/** Well above what signing in takes: only so many lines are written in a while, and ours must be among them. */
const SLOW_MS = 300;

let app: App;
let database: string;
const lines: Record<string, unknown>[] = [];
beforeAll(async () => {
  const config = await postgresConfig({ database: { slowStatementMs: SLOW_MS } });
  ({ database } = config.database);
  const write = (line: string) => lines.push(JSON.parse(line));
  app = await createApp(config, { log: createLogger({ level: 'warn' }, { write }) });
});
afterAll(() => app.stop());

it('names statement, duration and request, not what was written, and is counted', async () => {
  const seed = createSeed(app.services.data);
  await seed.user('ADMIN', { username: 'ada' });
  const requestId = newId();
  const token = await createClient((request) => app.fetch(request), null).login(
    'ada',
    seed.password,
  );
  let hold: Hold | undefined;
  try {
    hold = await holdTable(sharedPostgres(), database, 'clusters');
    const answer = app.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          'x-request-id': requestId,
        },
        body: JSON.stringify({
          query: 'mutation { createCluster(input: { name: "sesame" }) { __typename } }',
        }),
      }),
    );
    await hold.waiters(1);
    await sleep(SLOW_MS);
    await hold.release();
    expect(await (await answer).text()).toContain('CreateClusterPayload');
  } finally {
    await hold?.release();
  }
  const slow = lines.filter(({ msg }) => msg === 'slow statement');
  expect(slow).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      requestId,
      statement: expect.stringMatching(/INSERT INTO "public"."clusters"/),
      durationMs: expect.any(Number),
    }),
  );
  expect(JSON.stringify(slow)).not.toContain('sesame');
  const { values } = await app.services.metrics.slowStatements.get();
  expect(values[0]?.value).toBeGreaterThanOrEqual(slow.length);
});
