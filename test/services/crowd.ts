/** What tests of many callers at once have in common: a patient database on either adapter, and figures counted afresh. */
import { defaultConfig } from '../../src/config/load.js';
import type { Data } from '../../src/data/client.js';
import { openData } from '../../src/data/open.js';
import { createLogger } from '../../src/log.js';
import { createTestApp, postgresConfig, type TestApp } from '../support/app.js';

export const ADAPTERS = ['memory', 'postgres'] as const;
export type Adapter = (typeof ADAPTERS)[number];

/** Long enough for hundreds of commands in one line on a busy machine: nothing here is about impatience. */
const limits = { queueWaitMs: 100_000, lockWaitMs: 100_000 };

export async function openPatientData(on: Adapter): Promise<Data> {
  const log = createLogger({ level: 'silent' });
  const config =
    on === 'memory'
      ? defaultConfig({ mode: 'dev', limits })
      : await postgresConfig({ limits, database: { lockTimeoutMs: 60_000 } });
  return openData(config, log);
}

/** No overcommit, so that figures in tests are what they say. */
export async function createCrowdApp(data: Data): Promise<TestApp> {
  return createTestApp({
    data,
    config: { limits, placement: { cpuOvercommit: 1, memoryOvercommit: 1, policy: 'spread' } },
  });
}

/** What the counters of projects and nodes should say, from the machines themselves; and what they do say. */
export async function recount({ db }: Data) {
  const projects = await db.$queryRaw<{ counted: string; kept: string }[]>`
    SELECT p.name || ' ' || count(v.id) || ' ' || coalesce(sum((v.resources->>'vcpus')::int), 0)
             || ' ' || coalesce(sum((v.resources->>'memoryMib')::int), 0) AS counted,
           p.name || ' ' || p.used_virtual_machines || ' ' || p.used_vcpus || ' ' || p.used_memory_mib AS kept
    FROM projects p LEFT JOIN virtual_machines v ON v.project_id = p.id AND v.deleted_at IS NULL GROUP BY p.id ORDER BY p.name`;
  const nodes = await db.$queryRaw<{ counted: string; kept: string }[]>`
    SELECT n.hostname || ' ' || coalesce(sum((v.resources->>'vcpus')::int), 0)
             || ' ' || coalesce(sum((v.resources->>'memoryMib')::int), 0) AS counted,
           n.hostname || ' ' || (n.allocated->>'vcpus') || ' ' || (n.allocated->>'memoryMib') AS kept
    FROM nodes n LEFT JOIN virtual_machines v ON v.node_id = n.id AND v.capacity_claimed
    GROUP BY n.id ORDER BY n.hostname`;
  const rows = [...projects, ...nodes];
  return { counted: rows.map((row) => row.counted), kept: rows.map((row) => row.kept) };
}
