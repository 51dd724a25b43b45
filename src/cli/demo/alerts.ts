/** The demo's alerts: open, acknowledged and over. Figures in their texts are those of the rows that they are about. */
import type { Prisma } from '../../gen/client/client.js';
import { clusterId } from './clusters.js';
import { type Ago, demoId } from './ids.js';
import { APPS, MACHINES, type MachineName } from './machines.js';
import { networkId } from './networks.js';
import { MAINTENANCE_SINCE_DAYS, type NodeFigures, nodeId } from './nodes.js';
import { projectId } from './projects.js';
import { type PoolFigures, poolId } from './storage.js';
import { type Username, userId } from './users.js';
import { machineId } from './volumes.js';

interface Source {
  readonly sourceType: 'HOST' | 'VM' | 'STORAGE' | 'NETWORK' | 'CLUSTER' | 'SYSTEM';
  readonly sourceId: string | null;
  readonly sourceName: string;
  readonly projectId: string | null;
}

interface AlertPlan {
  readonly severity: 'CRITICAL' | 'WARNING' | 'INFO';
  readonly kind: string;
  readonly source: Source;
  readonly title: string;
  readonly message: string;
  /** Days since it was raised, and since it was seen last. */
  readonly days: readonly [raised: number, seen: number];
  readonly count?: number;
  readonly acknowledged?: readonly [by: Username, days: number];
  readonly resolvedDays?: number;
}

const infrastructure = (
  sourceType: Source['sourceType'],
  sourceId: string | null,
  sourceName: string,
): Source => ({ sourceType, sourceId, sourceName, projectId: null });

function ofMachine(name: MachineName): Source {
  const machine = MACHINES.find((plan) => plan.name === name);
  const project = machine && projectId(APPS[machine.app].project);
  return {
    sourceType: 'VM',
    sourceId: machineId(name),
    sourceName: name,
    projectId: project ?? null,
  };
}

export interface Facts {
  readonly nodes: readonly (NodeFigures & { id: string })[];
  readonly pools: readonly (PoolFigures & { id: string })[];
}

/** How much of a node's memory its virtual machines hold, in percent. */
export function memoryShare(facts: Facts, id: string): number {
  const node = facts.nodes.find((row) => row.id === id);
  if (!node) throw new Error(`the demo has no node ${id}`);
  return Math.floor((100 * node.allocated.memoryMib) / node.allocatable.memoryMib);
}

function poolShare(facts: Facts, id: string): number {
  const pool = facts.pools.find((row) => row.id === id);
  if (!pool) throw new Error(`the demo has no storage pool ${id}`);
  return Number((100n * pool.usedBytes) / pool.capacityBytes);
}

// biome-ignore format: a table
function plans(facts: Facts): AlertPlan[] {
  const host = (name: Parameters<typeof nodeId>[0]) => infrastructure('HOST', nodeId(name), name);
  const library = infrastructure('STORAGE', poolId('nfs-library'), 'nfs-library');
  return [
    { severity: 'CRITICAL', kind: 'vm-crashed', source: ofMachine('shop-search-01'), days: [0.12, 0.12],
      title: 'shop-search-01 has crashed', message: 'The guest stopped with a kernel panic: out of memory. Searching in the shop does not work.' },
    { severity: 'CRITICAL', kind: 'node-memory', source: host('hv-a01'), days: [0.3, 0.05], count: 9, acknowledged: ['admin', 0.28],
      title: 'Memory of hv-a01 is nearly exhausted', message: `Its virtual machines hold ${memoryShare(facts, nodeId('hv-a01'))} % of its memory. hv-b02, which could take some of them, is in maintenance.` },
    { severity: 'CRITICAL', kind: 'node-silent', source: host('hv-a02'), days: [23.4, 23.38], count: 4, acknowledged: ['admin', 23.39], resolvedDays: 23.36,
      title: 'hv-a02 does not report', message: 'No report for 90 seconds. A power supply was replaced; the node came back by itself.' },
    { severity: 'WARNING', kind: 'vm-unknown', source: ofMachine('dashboards-01'), days: [0.02, 0.01], count: 3,
      title: 'The state of dashboards-01 is unknown', message: 'The agent of hv-a01 reports, but not this machine.' },
    { severity: 'WARNING', kind: 'pool-nearly-full', source: library, days: [5.8, 0.2], count: 23, acknowledged: ['operator', 5.2],
      title: 'The pool nfs-library fills up', message: `${poolShare(facts, poolId('nfs-library'))} % of it are in use. Delete archives that nobody needs, or extend it.` },
    { severity: 'WARNING', kind: 'snapshot-failed', source: ofMachine('warehouse-01'), days: [19.6, 19.6],
      title: 'The snapshot quarter-end of warehouse-01 failed', message: 'The guest did not flush its file systems in time.' },
    { severity: 'WARNING', kind: 'link-flapping', source: infrastructure('NETWORK', networkId('storage'), 'storage'), days: [16.7, 16.1], count: 41, acknowledged: ['admin', 16.6], resolvedDays: 16,
      title: 'A link of the network storage goes up and down', message: 'Port eno2 of hv-b01. The cable was replaced.' },
    { severity: 'WARNING', kind: 'cluster-no-spare', source: infrastructure('CLUSTER', clusterId('production'), 'production'), days: [0.29, 0.1], count: 5,
      title: 'The cluster production could not bear the loss of hv-a01', message: 'While hv-b02 is in maintenance, what runs on hv-a01 would only fit elsewhere with memory overcommitted.' },
    { severity: 'INFO', kind: 'node-maintenance', source: host('hv-b02'), days: [MAINTENANCE_SINCE_DAYS, MAINTENANCE_SINCE_DAYS],
      title: 'hv-b02 is in maintenance', message: 'New firmware for its network ports. It takes no virtual machines meanwhile.' },
    { severity: 'INFO', kind: 'image-failed', source: infrastructure('SYSTEM', null, 'images'), days: [2.4, 2.4],
      title: 'The image freebsd-15 could not be downloaded', message: 'The checksum does not match. Delete the image and try again.' },
    { severity: 'INFO', kind: 'schedule-late', source: ofMachine('etl-01'), days: [8.2, 8.2], resolvedDays: 8.1,
      title: 'etl-01 was started late', message: 'The load of the warehouse began 40 minutes after its time.' },
    { severity: 'INFO', kind: 'certificate-renewed', source: infrastructure('SYSTEM', null, 'control plane'), days: [27.5, 27.5], acknowledged: ['admin', 27.1], resolvedDays: 27.1,
      title: 'The certificate of the API was renewed', message: 'It is good for another 90 days.' },
  ];
}

export function alertRows(ago: Ago, facts: Facts): Prisma.AlertCreateManyInput[] {
  return plans(facts).map(
    ({ source, days: [raised, seen], acknowledged, resolvedDays, ...plan }) => {
      const changes = [seen, acknowledged?.[1], resolvedDays].filter((days) => days !== undefined);
      return {
        id: demoId('Alert', `${plan.kind}/${source.sourceName}`),
        severity: plan.severity,
        title: plan.title,
        message: plan.message,
        ...source,
        kind: plan.kind,
        count: plan.count ?? 1,
        lastSeenAt: ago(seen),
        acknowledged: acknowledged !== undefined,
        acknowledgedById: acknowledged ? userId(acknowledged[0]) : null,
        acknowledgedAt: acknowledged ? ago(acknowledged[1]) : null,
        resolved: resolvedDays !== undefined,
        resolvedAt: resolvedDays === undefined ? null : ago(resolvedDays),
        createdAt: ago(raised),
        updatedAt: ago(Math.min(...changes)),
      };
    },
  );
}
