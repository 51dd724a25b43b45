/** Two instances of the control plane on one PostgreSQL, agents of three nodes, and somebody who cuts connections. */
import pg from 'pg';
import { auditSealer } from '../../../src/controllers/audit-keeper.js';
import { binKeeper } from '../../../src/controllers/bin-keeper.js';
import { maintenance } from '../../../src/controllers/maintenance.js';
import { nodeHealth } from '../../../src/controllers/node-health.js';
import { snapshotKeeper } from '../../../src/controllers/snapshot-keeper.js';
import { taskDeadlines } from '../../../src/controllers/task-keeper.js';
import { verifyAudit } from '../../../src/core/audit-verify.js';
import type { Data } from '../../../src/data/client.js';
import { openData } from '../../../src/data/open.js';
import type { ReportNodeInput } from '../../../src/gen/api/graphql.js';
import { createLogger } from '../../../src/log.js';
import { createTestApp, postgresConfig, type TestApp } from '../../support/app.js';
import type { Client } from '../../support/client.js';
import { createTestAgent, type TestAgent } from '../../support/test-agent.js';
import { createTestClock } from '../../support/test-clock.js';
import { until } from '../../support/until.js';
import type { Random } from './random.js';

const NODES = 3;
const GIB = 2n ** 30n;
const limits = { queueWaitMs: 100_000, lockWaitMs: 100_000 };

export type Datacenter = Awaited<ReturnType<typeof createDatacenter>>;

export async function createDatacenter(random: Random) {
  const clock = createTestClock();
  const log = createLogger({ level: 'silent' });
  const config = await postgresConfig({ limits, database: { lockTimeoutMs: 60_000 } });
  const datas: Data[] = [await openData(config, log), await openData(config, log)];
  const [data] = datas as [Data, Data];
  const placement = { cpuOvercommit: 1, memoryOvercommit: 1, policy: 'spread' } as const;
  const years = 10 * 365 * 86_400_000;
  const auth = { sessionTtlMs: years, sessionIdleTimeoutMs: years };
  const deletion = { retentionMs: 3_600_000 };
  const open = (on: Data): Promise<TestApp> =>
    createTestApp({
      data: on,
      clock,
      // Each with a store of its own: neither would hear of the other's writes.
      config: { limits, placement, auth, deletion, cache: { enabled: 'off' } },
      logLevel: process.env.MODEL_LOG ?? 'silent',
    });
  const instances: TestApp[] = await Promise.all(datas.map(open));
  const { seed } = instances[0] as TestApp;
  await seed.user('ADMIN', { username: 'ada' });
  const clients: Client[] = [];
  for (const app of instances) clients.push(await app.signIn('ada'));
  const cluster = await seed.cluster();
  for (let i = 0; i < 3; i += 1) await seed.project();
  for (let i = 0; i < 2; i += 1) await seed.pool({ capacityBytes: 60n * GIB });
  await seed.network({ cidr: '10.250.0.0/29', gateway: '10.250.0.1' });

  const { host, port, user, password, database } = config.database;
  const killer = new pg.Client({ host, port, user, password: String(password), database });
  await killer.connect();
  const cut = (limit: number) =>
    killer.query(
      `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
        ORDER BY random() LIMIT $1) AS victims`,
      [limit],
    );
  let cutting = false;
  let untilCut = 100;
  let cuts = 0;
  for (const each of datas)
    each.onStatement(() => {
      untilCut -= 1;
      if (!cutting || untilCut > 0) return;
      untilCut = 50 + random.below(200);
      cuts += 1;
      void cut(1);
    });

  /** Agents reach whichever instance answers. */
  const balanced = {
    ...(instances[0] as TestApp),
    app: { fetch: (request: Request) => (random.of(instances) as TestApp).app.fetch(request) },
  } as TestApp;
  let failing = true;
  const failure = () => (failing && random.once(10) ? 'the disk is full' : null);
  const agents: { agent: TestAgent; late: ReportNodeInput[] }[] = [];
  for (let i = 0; i < NODES; i += 1) {
    const allocatable = { vcpus: 6, memoryMib: 65_536, storageGib: 0 };
    const node = await seed.node(cluster, { allocatable, lastHeartbeat: clock.now() });
    const agent = await createTestAgent(balanced, node, {
      clock: clock.source,
      failure,
      jobs: { failure, clock: clock.source, durations: {} },
    });
    agents.push({ agent, late: [] });
  }
  const bugs: string[] = [];
  const attempt = (work: Promise<unknown>): Promise<unknown> =>
    work.catch((error: unknown) => {
      // Whatever is no bug is an agent's daily life: it reports again.
      if (/INTERNAL_SERVER_ERROR|was refused: (?!BUSY|CONFLICT)/.test(String(error)))
        bugs.push(`report: ${error}`);
    });
  const sealer = auditSealer();
  const controllers = (which: typeof nodeHealth) =>
    attempt(
      which.run(
        (instances[0] as TestApp).app.services,
        () => true,
        new AbortController().signal,
        new Date(0),
      ),
    );

  return {
    data,
    agents,
    bugs,
    clock,
    cuts: () => cuts,
    client: () => random.of(clients) as Client,
    set trouble(on: boolean) {
      cutting = on;
      failing = on;
    },
    /** One round of a node's agent, with what may go wrong with it. */
    async round({ agent, late }: (typeof agents)[number]): Promise<void> {
      clock.advance(500);
      if (random.once(6)) late.push(agent.draft());
      if (random.once(8)) {
        const old = random.of(late);
        if (old) await attempt(agent.send(old));
      }
      if (random.once(10)) {
        const twice = agent.draft();
        await Promise.all([attempt(agent.send(twice)), attempt(agent.send(twice))]);
      }
      if (random.once(25)) agent.restart();
      if (random.once(15)) {
        const on = agent.hypervisor.observe().filter(({ powerState }) => powerState === 'RUNNING');
        agent.hypervisor.crash(random.of(on)?.virtualMachineId ?? '');
      }
      if (late.length > 4) late.shift();
      await attempt(agent.report());
    },
    /** A whole instance ends with all that it was doing, and another takes its place. */
    async crash(): Promise<void> {
      const index = random.below(instances.length);
      await cut(100);
      const fresh = await open(datas[index] as Data);
      const signedIn = await fresh.signIn('ada').catch(() => fresh.signIn('ada'));
      instances[index] = fresh;
      clients[index] = signedIn;
    },
    /** Nodes fall silent for a while, and the control plane notices. */
    async silence(ms: number): Promise<void> {
      clock.advance(ms);
      await controllers(nodeHealth);
      await controllers(taskDeadlines);
      await controllers(binKeeper);
      await controllers(snapshotKeeper);
      await controllers(sealer);
    },
    /** Nodes that are to be emptied are. */
    drain: () => controllers(maintenance),
    /** Until every task has ended, every snapshot that waits to be discarded is, and all that is told is sealed. */
    async settle(): Promise<void> {
      await this.quieten();
      clock.advance(25 * 3_600_000); // what could not be discarded is tried again after a day at the latest
      await this.quieten();
      // Transactions of other tests on this server may have begun before the last entry: they are waited for.
      await until('all that is told is sealed', async () => {
        await controllers(sealer);
        return (await verifyAudit(data.db)).unsealed === 0;
      });
    },
    async quieten(): Promise<void> {
      const unfinished = () => data.db.task.count({ where: { finishedAt: null } });
      for (let quiet = 0, rounds = 0; quiet < 3 && rounds < 40; rounds += 1) {
        for (const { agent } of agents) await attempt(agent.report());
        clock.advance(20_000);
        await controllers(snapshotKeeper);
        quiet = (await unfinished()) === 0 ? quiet + 1 : 0;
      }
      if ((await unfinished()) === 0) return;
      clock.advance(3 * 3_600_000);
      await controllers(taskDeadlines);
      for (let round = 0; round < 6; round += 1) {
        for (const { agent } of agents) await attempt(agent.report());
        clock.advance(20_000);
      }
    },
    /** How often two transactions waited for each other. */
    async deadlocks(): Promise<number> {
      const sql = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';
      return Number((await killer.query<{ deadlocks: number }>(sql)).rows[0]?.deadlocks);
    },
    async stop(): Promise<void> {
      await Promise.all(instances.map((app) => app.stop()));
      await Promise.all(datas.map((each) => each.close()));
      await killer.end();
    },
  };
}
