/** Starting is free of effects: however often, however many at once, the database is the same afterwards. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createApp } from '../../src/app.js';
import { createLogger } from '../../src/log.js';
import { describeRows, describeSchema } from '../services/catalogue.js';
import { configOn } from '../support/app.js';
import { type Installation, install } from '../support/installation.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { query } from './database.js';
import { createCluster, createProject, enrolNode } from './operations.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const BOOTS = 20;
const AT_ONCE = 5;

const contents = async ({ database }: Installation): Promise<string[]> => {
  const ask = (sql: string) => query<Record<string, unknown>>(sharedPostgres(), database, sql);
  const rows = await describeRows(ask);
  // Who leads, and who is without Redis, is nothing that is kept: every instance says it anew.
  const kept = rows.filter((row) => !/^(leadership|unheard_instances):/.test(row));
  return [...(await describeSchema(ask)), ...kept];
};

describe('a database in use', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await install();
    await installation.createUser('ada', 'ADMIN');
    const served = await installation.serve();
    try {
      const ada = await served.signIn('ada', installation.password);
      await createProject(ada, 'shop');
      await enrolNode(ada, await createCluster(ada, 'one'), 'n1');
    } finally {
      await served.program.stop();
      await served.program.dispose();
    }
  });

  /** What `serve` does once it has its configuration, without the second that loading a program takes. */
  const bootHere = async (): Promise<void> => {
    const log = createLogger({ level: 'silent' });
    const app = await createApp(configOn(installation.database, { server: { port: 0 } }), { log });
    const { url } = await app.start();
    expect((await fetch(new URL('/readyz', url))).status).toBe(200);
    await app.stop();
  };

  it(`is the same, row by row and in its schema, after ${BOOTS} boots of which every fifth ends in a power cut`, async () => {
    const before = await contents(installation);
    expect(before.filter((line) => line.startsWith('projects:')).length).toBeGreaterThan(1);
    for (let boot = 1; boot <= BOOTS; boot += 1) {
      if (boot % 5 > 0) {
        await bootHere();
        continue;
      }
      const { program } = await installation.serve();
      expect(await program.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
      await program.dispose();
    }
    expect(await contents(installation)).toEqual(before);
  });
});

describe('an empty database', () => {
  it(`is laid out once by ${AT_ONCE} programs that boot at the same time, and all of them serve`, async () => {
    const [together, alone] = await Promise.all([install(), install()]);
    const served = await Promise.all(Array.from({ length: AT_ONCE }, () => together.serve()));
    try {
      const appliers = served.filter(({ program }) =>
        program.log.some(({ msg }) => msg === 'database migrated'),
      );
      expect(appliers).toHaveLength(1);
      for (const one of served) {
        expect((await fetch(`${one.url}/readyz`)).status).toBe(200);
        expect(one.program.stderr).toBe('');
      }
    } finally {
      await Promise.all(served.map(({ program }) => program.dispose()));
    }
    expect((await alone.run(['migrate', 'up'])).code).toBe(0);
    /** But for times, ids, and which database it is. */
    const withoutTimes = (lines: string[]) =>
      lines.map((line) =>
        line
          .replace(/\d{4}-\d\d-\d\dT[\d:.+Z]+/g, 'TIME')
          .replace(/"id": ?"[^"]{36}"/, 'ID')
          .replace(/"cluster": ?"[^"]*"/, 'CLUSTER'),
      );
    expect(withoutTimes(await contents(together)).sort()).toEqual(
      withoutTimes(await contents(alone)).sort(),
    );
  });
});
