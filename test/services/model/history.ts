/** The audit log as history: told from its beginning it must arrive at the rows as they are, and no step may contradict the one before. */
import { allEntities, delegateOf } from '../../../src/core/entity.js';
import { type Json, stableStringify, toJson } from '../../../src/core/json.js';
import type { Data } from '../../../src/data/client.js';

type Columns = Record<string, Json>;

/** Figures that follow from other changes are not history, nor is how far a task is. The database itself forgets who has gone.
 * Of two sign-ins at one moment nobody asks which was first. */
const UNTOLD: Readonly<Record<string, readonly string[]>> = {
  Project: [
    'usedVirtualMachines',
    'usedVcpus',
    'usedMemoryMib',
    'usedStorageGib',
    'usedVolumes',
    'usedSnapshots',
  ],
  HypervisorNode: ['allocated', 'lastHeartbeat', 'agentInstance', 'reportSequence'],
  StoragePool: ['claimedBytes', 'usedBytes', 'availableBytes'],
  Task: ['progressPercent', 'virtualMachineId', 'volumeId', 'projectId', 'nodeId', 'targetNodeId'],
  VirtualMachine: ['currentSnapshotId'],
  User: ['lastLogin'],
  Volume: ['snapshotCount'],
};
const NOISE = ['updatedAt', 'createdAt'];

interface Told {
  readonly columns: Columns;
  gone: boolean;
}

interface Details {
  readonly before?: Columns | null;
  readonly after?: Columns | null;
}

/** Each contradiction as a sentence; empty when the history is whole. */
export async function historyFaults(db: Data['db']): Promise<string[]> {
  const faults: string[] = [];
  const told = new Map<string, Told>();
  // Of one object the entries stand in the order of `seq`: each is written while the object's row is held.
  const entries = await db.auditEntry.findMany({
    where: { status: 'SUCCEEDED' },
    orderBy: { seq: 'asc' },
  });
  for (const {
    resourceType: type,
    resourceId: id,
    resourceName,
    action,
    details,
    seq,
  } of entries) {
    const { before, after } = details as Details;
    if (!id || (before === undefined && after === undefined)) continue;
    const known = told.get(`${type} ${id}`) ?? { columns: {}, gone: false };
    const where = `${action} (${seq}) of ${type} ${resourceName}`;
    if (known.gone) faults.push(`${where}: it was deleted before`);
    for (const key of tellable(type, before ?? {})) {
      const [was, said] = [known.columns[key], before?.[key]];
      if (was !== undefined && !same(ownOf(type, key, was), ownOf(type, key, said ?? null)))
        faults.push(`${where}: ${key} was ${show(was)}, and is said to have been ${show(said)}`);
    }
    for (const key of tellable(type, after ?? {})) known.columns[key] = after?.[key] ?? null;
    known.gone = after === null;
    told.set(`${type} ${id}`, known);
  }
  for (const { type, model } of allEntities()) {
    if (type === 'AuditEntry') continue;
    const rows = await delegateOf(db, model).findMany({});
    const byId = new Map(rows.map((row) => [`${type} ${String(row.id)}`, row]));
    for (const [name, { columns, gone }] of told) {
      if (!name.startsWith(`${type} `)) continue;
      const row = byId.get(name);
      if (!row !== gone)
        faults.push(`${name}: its history ${gone ? 'ends' : 'goes on'}, its row does not`);
      if (!row || gone) continue;
      for (const [key, value] of Object.entries(columns))
        if (key in row && !same(ownOf(type, key, value), ownOf(type, key, toJson(row[key]))))
          faults.push(
            `${name}: ${key} is ${show(toJson(row[key]))}, its history says ${show(value)}`,
          );
    }
  }
  return faults;
}

/** Which snapshots hold a volume follows from the snapshots. */
function ownOf(type: string, key: string, value: Json): Json {
  if (type !== 'Volume' || key !== 'spec' || typeof value !== 'object' || value === null)
    return value;
  const { snapshotIds: _, ...own } = value as Record<string, Json>;
  return own;
}

const tellable = (type: string, columns: Columns): string[] =>
  Object.keys(columns).filter((key) => !NOISE.includes(key) && !UNTOLD[type]?.includes(key));
const same = (a: unknown, b: unknown): boolean => stableStringify(a) === stableStringify(b);
const show = (value: unknown): string => stableStringify(value).slice(0, 80);
