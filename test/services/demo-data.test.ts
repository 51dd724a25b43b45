/**
 * The demo data set must be what the control plane itself would have written: every sum, reference and limit is
 * checked here against the rows in the database, without looking at the tables that they were made from.
 */
import { BlockList, isIPv4 } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { insertTables } from '../../src/cli/demo/insert.js';
import { DEMO_USERS, seedDemo } from '../../src/cli/demo/seed.js';
import { description, hostname, labels, name } from '../../src/core/input.js';
import { type Data, DEFAULT_PROJECT_ID } from '../../src/data/client.js';
import type { Volume } from '../../src/gen/client/client.js';
import { PowerState } from '../../src/gen/client/enums.js';
import { encodeGlobalId } from '../../src/ids.js';
import { capacityOf, effectivePhase, freeCapacity } from '../../src/modules/node/rules.js';
import { allocatableOf, nodeSpecInput, systemInfoInput } from '../../src/modules/node/spec.js';
import { checkQuotaCoversUse, type Quota, quotaInput } from '../../src/modules/project/rules.js';
import { readPoolSpec } from '../../src/modules/storage/pool-spec.js';
import { readVolumeSpec } from '../../src/modules/storage/volume-spec.js';
import { groupIdsOf } from '../../src/modules/virtual-machine/references.js';
import { resourcesOf, specInput, type VmSpec } from '../../src/modules/virtual-machine/spec.js';
import { memoryAdapter, postgresAdapter } from './data-fixtures.js';
import {
  asText,
  DAY_MS,
  HASHES,
  isFixed,
  labelsOf,
  NOW,
  need,
  OVERCOMMIT,
  type Rows,
  readAll,
  specOf,
  sum,
} from './demo-fixtures.js';

const memory = memoryAdapter();
const postgres = postgresAdapter();
let data: Data;
let rows: Rows;
let statements: number;
let nodeIds: string[];

beforeAll(async () => {
  data = await memory.open();
  const before = data.statements();
  ({ nodeIds } = await seedDemo(data, { now: NOW, hashes: HASHES }));
  statements = data.statements() - before;
  rows = await readAll(data.db);
});
afterAll(() => memory.dispose());
afterAll(() => postgres.dispose());

describe('seeding', () => {
  test('takes one transaction with one statement for all tables', () => {
    expect(statements).toBe('BEGIN, count, all rows, COMMIT'.split(', ').length);
  });

  test('refuses rows of a table that differ in their fields', async () => {
    const clusters = [{ name: 'one' }, { name: 'other', haEnabled: true }];
    await expect(
      data.transaction((tx) => insertTables(tx, [['clusters', clusters]])),
    ).rejects.toThrow('different columns');
  });

  test('returns the ids of all nodes, for their agents', () => {
    expect([...nodeIds].sort()).toEqual(rows.nodes.map(({ id }) => id).sort());
  });

  test('refuses a database that has clusters, and changes nothing in it', async () => {
    await expect(seedDemo(data, { now: NOW, hashes: HASHES })).rejects.toThrow(/has clusters/);
    const other = await memory.open();
    await other.db.cluster.create({ data: { id: rows.users[0]?.id ?? '', name: 'mine' } });
    await expect(seedDemo(other, { now: NOW, hashes: HASHES })).rejects.toThrow(/has clusters/);
    await expect(other.db.user.count()).resolves.toBe(0);
    await expect(other.db.cluster.count()).resolves.toBe(1);
  });

  test('leaves nothing behind when it fails half-way', async () => {
    const other = await memory.open();
    const volumeOfOthers = need(rows.volumes, rows.volumes[0]?.id);
    const { id: poolId } = await other.db.storagePool.create({
      data: { id: volumeOfOthers.id, name: 'mine', poolType: 'NFS', capacityBytes: 1n },
    });
    // takes an id that the demo needs late in its transaction
    const { id, name, sizeBytes } = volumeOfOthers;
    await other.db.volume.create({
      data: { id, name, sizeBytes, poolId, projectId: DEFAULT_PROJECT_ID },
    });
    await expect(seedDemo(other, { now: NOW, hashes: HASHES })).rejects.toThrow();
    const counts = [other.db.cluster.count(), other.db.user.count(), other.db.node.count()];
    await expect(Promise.all(counts)).resolves.toEqual([0, 0, 0]);
  });

  test('makes the same objects at every start, on PostgreSQL as in memory, and moves only the times', async () => {
    const later = await postgres.open();
    const shiftMs = 11 * DAY_MS + 7;
    await seedDemo(later, { now: new Date(NOW.getTime() + shiftMs), hashes: HASHES });
    const again = await readAll(later.db);
    expect(again.nodes.map(({ lastHeartbeat }) => lastHeartbeat?.getTime())).toEqual(
      again.nodes.map(() => NOW.getTime() + shiftMs),
    );
    for (const table of Object.keys(rows) as (keyof Rows)[]) {
      expect(timeless(again[table], shiftMs), table).toEqual(timeless(rows[table], 0));
    }
  });

  /** Rows in a fixed order, without what the database chose, and moved back in time. */
  function timeless(list: readonly object[], shiftMs: number): string[] {
    const text = (row: object): string =>
      JSON.stringify(row, (key, value: unknown) => {
        if (key === 'txId' || key === 'seq') return undefined;
        if (typeof value === 'bigint') return String(value);
        const isTime = typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value);
        return isTime ? new Date(value).getTime() - shiftMs : value;
      });
    const ours = list.filter((row) => !('id' in row) || !isFixed(row.id));
    return ours.map(text).sort();
  }
});

describe('ids and moments', () => {
  test('every id is a version 7 UUID, and no two objects share one', () => {
    const ids = Object.values(rows).flatMap((list: readonly object[]) =>
      list.flatMap((row) => ('id' in row ? [String(row.id)] : [])),
    );
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('nothing happens after the start, and nothing before its own beginning', () => {
    const oldest = NOW.getTime() - 60 * DAY_MS;
    for (const list of Object.values(rows) as Record<string, unknown>[][]) {
      for (const row of list) {
        if (isFixed(row.id)) continue;
        const created = row.createdAt as Date | undefined;
        for (const [column, value] of Object.entries(row)) {
          if (!(value instanceof Date)) continue;
          expect(value.getTime(), `${column} of ${row.id}`).toBeLessThanOrEqual(NOW.getTime());
          expect(value.getTime(), `${column} of ${row.id}`).toBeGreaterThan(oldest);
          expect(value.getTime(), `${column} of ${row.id}`).toBeGreaterThanOrEqual(
            created?.getTime() ?? 0,
          );
        }
      }
    }
  });

  test('what depends on something is younger than it', () => {
    type Aged = { id: string; createdAt: Date };
    const check = (row: Aged, others: (Aged | null)[]): void => {
      for (const other of others) {
        if (other === null || other.id === DEFAULT_PROJECT_ID) continue;
        expect(row.createdAt.getTime(), `${row.id} and ${other.id}`).toBeGreaterThanOrEqual(
          other.createdAt.getTime(),
        );
      }
    };
    const project = (row: { projectId: string | null }) =>
      row.projectId ? need(rows.projects, row.projectId) : null;
    const user = (id: string | null) => (id ? need(rows.users, id) : null);
    for (const node of rows.nodes) check(node, [need(rows.clusters, node.clusterId)]);
    for (const group of rows.groups.filter(({ projectId }) => projectId !== DEFAULT_PROJECT_ID)) {
      check(group, [project(group)]);
    }
    for (const row of [...rows.networks, ...rows.images, ...rows.pools]) check(row, [project(row)]);
    for (const volume of rows.volumes) {
      check(volume, [project(volume), need(rows.pools, volume.poolId)]);
      const source = readVolumeSpec(volume.spec).source;
      if (source?.id) check(volume, [need(rows.images, source.id)]);
    }
    for (const pool of rows.pools) {
      if (pool.assignedNodeIds.length === 1)
        check(pool, [need(rows.nodes, pool.assignedNodeIds[0])]);
    }
    for (const machine of rows.machines) {
      check(machine, [
        project(machine),
        user(machine.createdById),
        machine.nodeId ? need(rows.nodes, machine.nodeId) : null,
        ...(specOf(machine).nics ?? []).map((nic) => need(rows.networks, nic.networkId)),
        ...groupIdsOf(specOf(machine)).map((id) => need(rows.groups, id)),
      ]);
    }
    for (const snapshot of rows.snapshots) {
      check(snapshot, [need(rows.machines, snapshot.virtualMachineId), user(snapshot.createdById)]);
      if (snapshot.parentId) check(snapshot, [need(rows.snapshots, snapshot.parentId)]);
    }
    for (const member of rows.members) {
      check({ id: 'membership', createdAt: member.createdAt }, [
        need(rows.projects, member.projectId),
        need(rows.users, member.userId),
      ]);
    }
    for (const entry of rows.audit) check(entry, [user(entry.userId)]);
  });

  test('virtual machines were made over several weeks, at different times', () => {
    const moments = rows.machines.map(({ createdAt }) => createdAt.getTime());
    expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThan(28 * DAY_MS);
    expect(new Set(moments).size).toBe(moments.length);
  });
});

describe('clusters and nodes', () => {
  test('are a production cluster with HA and DRS, a development cluster, and six nodes in two racks', () => {
    const production = rows.clusters.find((cluster) => cluster.name === 'production');
    expect(production).toMatchObject({ haEnabled: true, drsEnabled: true });
    expect(['PARTIAL', 'FULL']).toContain(production?.drsAutomation);
    expect(rows.clusters.map((cluster) => cluster.name).sort()).toEqual([
      'development',
      'production',
    ]);
    expect(rows.nodes).toHaveLength(6);
    expect(new Set(rows.nodes.map((node) => labelsOf(node).rack)).size).toBe(2);
    for (const node of rows.nodes) {
      expect(labels.safeParse(node.labels).success).toBe(true);
      expect(hostname.safeParse(node.hostname).success).toBe(true);
      expect(Object.keys(labelsOf(node))).toEqual(expect.arrayContaining(['rack', 'zone']));
    }
  });

  test('one node is in maintenance and empty, the others are ready and report now', () => {
    const resting = rows.nodes.filter((node) => effectivePhase(node) === 'MAINTENANCE');
    expect(resting.map(({ intent }) => intent)).toEqual(['MAINTENANCE']);
    expect(rows.machines.filter(({ nodeId }) => nodeId === resting[0]?.id)).toEqual([]);
    const working = rows.nodes.filter((node) => !resting.includes(node));
    for (const node of working) {
      expect(node).toMatchObject({ phase: 'READY', intent: 'IN_SERVICE', lastHeartbeat: NOW });
    }
  });

  test('nodes have hardware and software that an agent may report', () => {
    for (const node of rows.nodes) {
      expect(nodeSpecInput.parse(node.spec)).toEqual(node.spec);
      expect(systemInfoInput.parse(node.systemInfo)).toEqual(node.systemInfo);
      expect(node.allocatable).toEqual(allocatableOf(nodeSpecInput.parse(node.spec)));
    }
    const macs = rows.nodes.flatMap(({ spec }) =>
      nodeSpecInput.parse(spec).networks.map(({ macAddress }) => macAddress),
    );
    expect(new Set(macs).size).toBe(macs.length);
  });

  test('what is allocated on a node is the sum of what its virtual machines claim', () => {
    for (const node of rows.nodes) {
      const held = rows.machines
        .filter((machine) => machine.nodeId === node.id && machine.capacityClaimed)
        .map((machine) => capacityOf(machine.resources));
      expect(node.allocated, node.hostname).toEqual({
        vcpus: sum(held.map(({ vcpus }) => vcpus)),
        memoryMib: sum(held.map(({ memoryMib }) => memoryMib)),
        storageGib: sum(held.map(({ storageGib }) => storageGib)),
      });
    }
    expect(rows.nodes.filter(({ allocated }) => capacityOf(allocated).vcpus > 0)).toHaveLength(5);
  });

  test('what is allocated fits the node with its overcommit', () => {
    for (const node of rows.nodes) {
      const free = freeCapacity(
        capacityOf(node.allocatable),
        capacityOf(node.allocated),
        OVERCOMMIT,
      );
      expect(
        Math.min(free.vcpus, free.memoryMib, free.storageGib),
        node.hostname,
      ).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('projects and users', () => {
  test('are three projects beside the empty default one, each with a quota that covers its use', () => {
    expect(rows.projects).toHaveLength(4);
    for (const project of rows.projects) {
      if (project.id === DEFAULT_PROJECT_ID) continue;
      const quota = quotaInput.parse(project.quota) as Quota;
      expect(Object.keys(quota).length, project.name).toBeGreaterThan(3);
      expect(() => checkQuotaCoversUse(quota, project)).not.toThrow();
      expect(name.safeParse(project.name).success).toBe(true);
    }
  });

  test('used quota is what a recount in SQL finds', async () => {
    const recount = await data.db.$queryRaw<Record<string, number>[]>`
      SELECT projects.id::text,
        (SELECT count(*)::int FROM virtual_machines vm WHERE vm.project_id = projects.id) AS "usedVirtualMachines",
        (SELECT coalesce(sum((resources->>'vcpus')::int), 0)::int FROM virtual_machines vm WHERE vm.project_id = projects.id) AS "usedVcpus",
        (SELECT coalesce(sum((resources->>'memoryMib')::int), 0)::int FROM virtual_machines vm WHERE vm.project_id = projects.id) AS "usedMemoryMib",
        (SELECT coalesce(sum(ceil(size_bytes / 1073741824.0)), 0)::int FROM volumes WHERE volumes.project_id = projects.id) AS "usedStorageGib",
        (SELECT count(*)::int FROM volumes WHERE volumes.project_id = projects.id) AS "usedVolumes",
        (SELECT count(*)::int FROM vm_snapshots s JOIN virtual_machines vm ON vm.id = s.vm_id WHERE vm.project_id = projects.id) AS "usedSnapshots"
      FROM projects`;
    expect(recount).toHaveLength(rows.projects.length);
    for (const found of recount) {
      expect(need(rows.projects, String(found.id))).toMatchObject(found);
    }
    expect(rows.projects.filter(({ usedVirtualMachines }) => usedVirtualMachines > 0)).toHaveLength(
      3,
    );
  });

  test('every demo user has its role, and its password only as a hash', () => {
    expect(rows.users).toHaveLength(DEMO_USERS.length);
    for (const { username, password, role } of DEMO_USERS) {
      expect(password).toBe(`${username}-demo`);
      const user = rows.users.find((row) => row.username === username);
      expect(user).toMatchObject({ role, enabled: true, passwordHash: `hash(${password.length})` });
    }
    expect(DEMO_USERS.map(({ role }) => role).sort()).toEqual(['ADMIN', 'OPERATOR', 'VIEWER']);
    const everything = asText(rows);
    for (const { password } of DEMO_USERS) expect(everything).not.toContain(password);
  });

  test('operator and viewer see two projects each, one of them both', () => {
    const seenBy = (username: string, role: string): string[] => {
      const user = rows.users.find((row) => row.username === username);
      const mine = rows.members.filter(({ userId }) => userId === user?.id);
      expect(mine.map((member) => member.role)).toEqual([role, role]);
      return mine.map(({ projectId }) => projectId);
    };
    const operators = seenBy('operator', 'OPERATOR');
    const viewers = seenBy('viewer', 'VIEWER');
    expect(operators.filter((id) => viewers.includes(id))).toHaveLength(1);
    for (const id of new Set([...operators, ...viewers])) {
      expect(rows.machines.filter(({ projectId }) => projectId === id).length).toBeGreaterThan(2);
    }
  });
});

describe('virtual machines', () => {
  test('are about two dozen, in every power state', () => {
    expect(rows.machines.length).toBeGreaterThanOrEqual(22);
    expect(rows.machines.length).toBeLessThanOrEqual(28);
    const states = new Set(rows.machines.map(({ powerState }) => powerState));
    expect([...states].sort()).toEqual(Object.values(PowerState).sort());
  });

  test('have valid names, descriptions and labels, env, tier and app among them', () => {
    for (const machine of rows.machines) {
      expect(name.safeParse(machine.name).success, machine.name).toBe(true);
      expect(description.safeParse(machine.description).success, machine.name).toBe(true);
      expect(labels.parse(machine.labels)).toEqual(machine.labels);
      expect(Object.keys(labelsOf(machine)).sort()).toEqual(['app', 'env', 'tier']);
    }
  });

  test('have no operation pending, and should be what they are', () => {
    for (const machine of rows.machines) {
      expect(machine.observedGeneration, machine.name).toBe(machine.generation);
      const lost = machine.powerState === 'CRASHED' || machine.powerState === 'UNKNOWN';
      expect(machine.desiredState, machine.name).toBe(lost ? 'RUNNING' : machine.powerState);
    }
  });

  test('hold capacity of a node unless they are stopped, and belong to the cluster of their node', () => {
    for (const machine of rows.machines) {
      expect(machine.capacityClaimed, machine.name).toBe(machine.powerState !== 'STOPPED');
      if (machine.nodeId === null) continue;
      expect(machine.clusterId, machine.name).toBe(need(rows.nodes, machine.nodeId).clusterId);
      expect(specOf(machine).placement?.clusterId).toBe(machine.clusterId);
    }
  });

  /** The spec as a caller would have sent it: with public ids. */
  function publicSpec(spec: VmSpec): unknown {
    const id = encodeGlobalId;
    const { placement, disks = [], nics = [], cdroms = [] } = spec;
    const nodes = (ids: string[] | undefined) => ids?.map((node) => id('HypervisorNode', node));
    return {
      ...spec,
      disks: disks.map((disk) => ({ ...disk, volumeId: id('Volume', disk.volumeId) })),
      nics: nics.map((nic) => ({
        ...nic,
        networkId: id('VirtualNetwork', nic.networkId),
        securityGroupIds: nic.securityGroupIds?.map((group) => id('SecurityGroup', group)),
      })),
      cdroms: cdroms.map(({ imageId }) => ({ imageId: id('Image', imageId) })),
      placement: placement && {
        ...placement,
        clusterId: placement.clusterId && id('Cluster', placement.clusterId),
        requiredNodeIds: nodes(placement.requiredNodeIds),
        excludedNodeIds: nodes(placement.excludedNodeIds),
      },
    };
  }

  test('have specs that the API would have accepted and stored just so', () => {
    for (const machine of rows.machines) {
      const spec = specOf(machine);
      const accepted = JSON.parse(JSON.stringify(specInput.parse(publicSpec(spec)))) as VmSpec;
      expect(accepted, machine.name).toEqual({ ...spec, cdroms: spec.cdroms ?? [] });
      expect(machine.resources).toEqual(resourcesOf(spec));
    }
  });

  test('refer only to what exists and is of their project, shared, or public', () => {
    const ofProject = (row: { projectId: string | null; public?: boolean }, projectId: string) =>
      row.projectId === projectId || row.projectId === null || row.public === true;
    for (const machine of rows.machines) {
      const spec = specOf(machine);
      const used = [
        ...(spec.disks ?? []).map(({ volumeId }) => need(rows.volumes, volumeId)),
        ...(spec.nics ?? []).map(({ networkId }) => need(rows.networks, networkId)),
        ...groupIdsOf(spec).map((id) => need(rows.groups, id)),
        ...(spec.cdroms ?? []).map(({ imageId }) => need(rows.images, imageId)),
      ];
      expect(used.length).toBeGreaterThan(2);
      for (const row of used) expect(ofProject(row, machine.projectId), machine.name).toBe(true);
      need(rows.clusters, spec.placement?.clusterId);
      for (const id of spec.placement?.requiredNodeIds ?? []) need(rows.nodes, id);
    }
    for (const volume of rows.volumes) {
      const source = readVolumeSpec(volume.spec).source;
      if (source?.type !== 'IMAGE') continue;
      expect(ofProject(need(rows.images, source.id), volume.projectId), volume.name).toBe(true);
    }
  });

  test('are where their placement allows', () => {
    for (const machine of rows.machines.filter(({ nodeId }) => nodeId !== null)) {
      const { requiredNodeIds, excludedNodeIds, antiAffinityLabels, policy } =
        specOf(machine).placement ?? {};
      if (requiredNodeIds) expect(requiredNodeIds).toContain(machine.nodeId);
      expect(excludedNodeIds ?? []).not.toContain(machine.nodeId);
      if (!antiAffinityLabels || policy !== 'HARD') continue;
      const neighbours = rows.machines.filter(
        (other) => other.nodeId === machine.nodeId && other !== machine && other.capacityClaimed,
      );
      for (const other of neighbours) {
        expect(labelsOf(other), `${other.name} next to ${machine.name}`).not.toMatchObject(
          antiAffinityLabels,
        );
      }
    }
    const apart = rows.machines.filter((machine) => specOf(machine).placement?.antiAffinityLabels);
    expect(apart.length).toBeGreaterThan(3);
  });

  test('are members of exactly the groups that their network interfaces name', () => {
    for (const machine of rows.machines) {
      const stored = rows.memberships.filter((row) => row.virtualMachineId === machine.id);
      const named = groupIdsOf(specOf(machine));
      expect(stored.map((row) => row.securityGroupId).sort(), machine.name).toEqual(named.sort());
      expect(named.length).toBeGreaterThan(0);
    }
  });

  test('show the addresses of their network interfaces while they run, and no others', () => {
    for (const machine of rows.machines) {
      const addresses = (specOf(machine).nics ?? []).flatMap((nic) => nic.ipAddresses ?? []);
      const running = machine.powerState === 'RUNNING';
      expect(machine.ipAddresses, machine.name).toEqual(running ? addresses : []);
      expect(machine.guestAgent, machine.name).toMatchObject({ running });
    }
  });

  test('meet the minimum of the image that they were made from', () => {
    let made = 0;
    for (const machine of rows.machines) {
      for (const { volumeId } of specOf(machine).disks ?? []) {
        const volume = need(rows.volumes, volumeId);
        const source = readVolumeSpec(volume.spec).source;
        if (source?.type !== 'IMAGE') continue;
        made += 1;
        const image = need(rows.images, source.id);
        const { vcpus, memoryMib } = machine.resources as Record<string, number>;
        expect(image.phase).toBe('AVAILABLE');
        expect(vcpus).toBeGreaterThanOrEqual(image.minCpu);
        expect(memoryMib).toBeGreaterThanOrEqual(image.minMemoryMib);
        expect(Number(volume.sizeBytes / 2n ** 30n)).toBeGreaterThanOrEqual(image.minDiskGib);
        expect(specOf(machine).guestOs).toBe(image.osVariant);
      }
    }
    expect(made).toBeGreaterThan(20);
  });
});

describe('snapshots', () => {
  test('form a tree of at least five with a branch, each on the machine of its parent', () => {
    const sizes = new Map<string, number>();
    const children = new Map<string, number>();
    for (const snapshot of rows.snapshots) {
      const vm = snapshot.virtualMachineId;
      sizes.set(vm, (sizes.get(vm) ?? 0) + 1);
      if (!snapshot.parentId) continue;
      expect(need(rows.snapshots, snapshot.parentId).virtualMachineId).toBe(vm);
      children.set(snapshot.parentId, (children.get(snapshot.parentId) ?? 0) + 1);
    }
    const [largest] = [...sizes].sort(([, a], [, b]) => b - a);
    expect(largest?.[1]).toBeGreaterThanOrEqual(5);
    const tree = rows.snapshots.filter((snapshot) => snapshot.virtualMachineId === largest?.[0]);
    expect(tree.filter(({ parentId }) => parentId === null)).toHaveLength(1);
    expect(Math.max(...tree.map(({ id }) => children.get(id) ?? 0))).toBeGreaterThanOrEqual(2);
  });

  test('are counted on the volumes of their machine', () => {
    for (const volume of rows.volumes) {
      const taken = rows.snapshots.filter(
        (snapshot) =>
          volume.attachedVmId !== null &&
          snapshot.virtualMachineId === volume.attachedVmId &&
          snapshot.state === 'AVAILABLE',
      );
      expect(volume.snapshotCount, volume.name).toBe(taken.length);
    }
  });
});

describe('storage and images', () => {
  test('are Ceph, local and NFS pools whose use is the sum of what is in them', () => {
    expect(rows.pools.map(({ poolType }) => poolType).sort()).toEqual([
      'CEPH_RBD',
      'LOCAL_LVM',
      'NFS',
    ]);
    for (const pool of rows.pools) {
      const inside = [...rows.volumes, ...rows.images].filter(({ poolId }) => poolId === pool.id);
      expect(inside.length, pool.name).toBeGreaterThan(0);
      expect(pool.usedBytes, pool.name).toBe(
        inside.reduce((all, { sizeBytes }) => all + sizeBytes, 0n),
      );
      expect(pool.availableBytes, pool.name).toBe(pool.capacityBytes - pool.usedBytes);
      const mine = rows.volumes.filter((volume) => volume.poolId === pool.id);
      const claimed = mine.reduce((sum, volume) => sum + volume.claimedBytes, 0n);
      expect(claimed > 0n && claimed <= pool.capacityBytes, pool.name).toBe(true);
      expect(pool.claimedBytes, pool.name).toBe(claimed);
      expect(pool.phase).toBe('READY');
    }
  });

  test('have specs of which the API can read every part', () => {
    for (const pool of rows.pools) {
      const { backend, defaults, qos } = readPoolSpec(pool.poolType, pool.spec);
      for (const part of [backend, defaults, qos]) {
        expect(Object.values(part), pool.name).not.toContain(null);
      }
    }
    for (const volume of rows.volumes) {
      const { source, accessMode } = readVolumeSpec(volume.spec);
      expect(source?.type, volume.name).toMatch(/^(IMAGE|EMPTY)$/);
      expect(accessMode, volume.name).toBe('READ_WRITE_ONCE');
    }
  });

  test('volumes are in use by exactly the machine that has them as a disk, or free and ready', () => {
    const disks = new Map<string, string>();
    for (const machine of rows.machines) {
      for (const { volumeId } of specOf(machine).disks ?? []) {
        expect(disks.has(volumeId), 'a volume is the disk of one machine').toBe(false);
        disks.set(volumeId, machine.id);
      }
    }
    const attached = (volume: Volume) => [volume.phase, volume.attachedVmId];
    for (const volume of rows.volumes) {
      const owner = disks.get(volume.id);
      expect(attached(volume), volume.name).toEqual(owner ? ['IN_USE', owner] : ['READY', null]);
    }
    expect(rows.volumes.filter(({ phase }) => phase === 'READY').length).toBeGreaterThanOrEqual(3);
  });

  test('pools can be reached from every node that runs a machine with a disk in them', () => {
    for (const pool of rows.pools) {
      for (const id of pool.assignedNodeIds) need(rows.nodes, id);
    }
    for (const machine of rows.machines) {
      if (machine.nodeId === null) continue;
      for (const { volumeId } of specOf(machine).disks ?? []) {
        const pool = need(rows.pools, need(rows.volumes, volumeId).poolId);
        expect(pool.assignedNodeIds, machine.name).toContain(machine.nodeId);
      }
    }
    const local = rows.pools.find(({ poolType }) => poolType === 'LOCAL_LVM');
    expect(local?.assignedNodeIds).toHaveLength(1);
  });

  test('a local pool is no larger than the flash of its node', () => {
    const local = rows.pools.find(({ poolType }) => poolType === 'LOCAL_LVM');
    const { storage } = nodeSpecInput.parse(need(rows.nodes, local?.assignedNodeIds[0]).spec);
    const flash = sum(storage.filter(({ type }) => type === 'NVME').map(({ sizeGib }) => sizeGib));
    expect(Number((local?.capacityBytes ?? 0n) / 2n ** 30n)).toBeLessThanOrEqual(flash);
  });

  test('images are eight: one failed, one arriving, the others usable; some public, one of a project', () => {
    const phases = rows.images.map(({ phase }) => phase).sort();
    expect(phases).toEqual([...Array<string>(6).fill('AVAILABLE'), 'DOWNLOADING', 'ERROR']);
    expect(rows.images.filter((image) => image.public).length).toBeGreaterThan(3);
    expect(rows.images.filter(({ projectId }) => projectId !== null)).toHaveLength(1);
    const names = rows.images.map((image) => `${image.projectId}/${image.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { name: imageName, sizeBytes, phase } of rows.images) {
      expect(name.safeParse(imageName).success).toBe(true);
      expect(sizeBytes > 0n, imageName).toBe(phase !== 'ERROR');
    }
  });
});

describe('networks and security', () => {
  test('are five networks, one of them of a project', () => {
    const found = rows.networks.map((n) => [n.networkType, n.vlanId, n.mtu, n.projectId !== null]);
    expect(found).toEqual(
      expect.arrayContaining([
        ['VLAN', 10, 1500, false],
        ['VLAN', 100, 1500, false],
        ['VLAN', 300, 9000, false],
        ['OVERLAY', null, 1450, true],
        ['EXTERNAL', null, 1500, false],
      ]),
    );
    expect(found).toHaveLength(5);
    expect(rows.networks.find(({ networkType }) => networkType === 'EXTERNAL')?.cidr).toBe(
      '203.0.113.0/24',
    );
  });

  test('addresses of machines are in their network, outside of its DHCP range, and given once', () => {
    const given = new Set<string>();
    const macs = new Set<string>();
    for (const machine of rows.machines) {
      for (const { networkId, ipAddresses = [], macAddress } of specOf(machine).nics ?? []) {
        const network = need(rows.networks, networkId);
        const inside = new BlockList();
        const [prefix = '', bits] = (network.cidr ?? '').split('/');
        inside.addSubnet(prefix, Number(bits));
        const leased = new BlockList();
        if (network.dhcpRangeStart && network.dhcpRangeEnd) {
          leased.addRange(network.dhcpRangeStart, network.dhcpRangeEnd);
        }
        expect(macAddress, machine.name).toBeDefined();
        expect(macs.has(macAddress ?? '')).toBe(false);
        macs.add(macAddress ?? '');
        expect(ipAddresses.length).toBeGreaterThan(0);
        for (const address of ipAddresses) {
          expect(inside.check(address), `${address} in ${network.cidr}`).toBe(true);
          expect(leased.check(address), `${address} leased`).toBe(false);
          expect(address).not.toBe(network.gateway);
          expect(given.has(address), `${address} given twice`).toBe(false);
          given.add(address);
        }
      }
    }
    for (const { managementIp } of rows.nodes) expect(given.has(managementIp)).toBe(false);
  });

  test('interfaces are exactly the ones that specs ask for, with all that they ask for', () => {
    const asked = rows.machines.flatMap((machine) =>
      (specOf(machine).nics ?? []).map((nic, position) => ({
        virtualMachineId: machine.id,
        position,
        name: nic.name,
        networkId: nic.networkId,
        macAddress: nic.macAddress,
        ipAddresses: nic.ipAddresses,
        securityGroupIds: [...(nic.securityGroupIds ?? [])].sort(),
      })),
    );
    const got = rows.interfaces.map(({ id, createdAt, updatedAt: _, ...nic }) => {
      expect(createdAt).toEqual(need(rows.machines, nic.virtualMachineId).createdAt);
      const held = rows.addresses.filter(({ interfaceId }) => interfaceId === id);
      expect(held.map((row) => [row.networkId, row.requested])).toEqual([[nic.networkId, true]]);
      const groups = rows.interfaceGroups.filter(({ interfaceId }) => interfaceId === id);
      return {
        ...nic,
        ipAddresses: held.map(({ address }) => address),
        securityGroupIds: groups.map(({ securityGroupId }) => securityGroupId).sort(),
      };
    });
    const inOrder = (list: readonly object[]) =>
      list.map((row) => Object.entries(row).sort().join()).sort();
    expect(inOrder(got)).toEqual(inOrder(asked));
    expect(got.length).toBeGreaterThan(20);
  });

  test('name servers of networks are machines of the demo', () => {
    const running = new Set(rows.machines.flatMap(({ ipAddresses }) => ipAddresses));
    const servers = rows.networks.flatMap(({ dnsServers }) => dnsServers);
    expect(servers.length).toBeGreaterThan(0);
    for (const server of servers) expect(running).toContain(server);
  });

  test('every address is private or set aside for documentation', () => {
    const allowed = new BlockList();
    for (const prefix of ['192.0.2.0', '198.51.100.0', '203.0.113.0'])
      allowed.addSubnet(prefix, 24);
    allowed.addSubnet('10.0.0.0', 8);
    allowed.addSubnet('172.16.0.0', 12);
    allowed.addSubnet('192.168.0.0', 16);
    allowed.addSubnet('2001:db8::', 32, 'ipv6');
    const text = JSON.stringify(rows, (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    const addresses =
      text.match(
        /(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?![\d.])|(?<=")[0-9a-f:]*::[0-9a-f:]*(?=[/"])/g,
      ) ?? [];
    expect(addresses.length).toBeGreaterThan(60);
    expect(addresses.filter((address) => !isIPv4(address))).not.toEqual([]);
    for (const address of addresses) {
      expect(allowed.check(address, isIPv4(address) ? 'ipv4' : 'ipv6'), address).toBe(true);
    }
  });

  test('every project has exactly one default group', () => {
    for (const project of rows.projects) {
      const defaults = rows.groups.filter(
        (group) => group.projectId === project.id && group.isDefault,
      );
      expect(
        defaults.map((group) => group.name),
        project.name,
      ).toEqual(['default']);
    }
  });

  test('rules open the web to everybody and SSH to the management network, and refer to groups of their project', () => {
    const management = rows.networks.find(({ vlanId }) => vlanId === 10);
    const ports = (groupName: string) =>
      rows.rules
        .filter((rule) => need(rows.groups, rule.securityGroupId).name === groupName)
        .map((rule) => [rule.action, rule.portRangeMin, rule.portRangeMax, rule.remoteCidr]);
    expect(ports('web')).toEqual(
      expect.arrayContaining([
        ['ALLOW', 80, 80, null],
        ['ALLOW', 443, 443, null],
      ]),
    );
    const ssh = ports('ssh').filter(([, port]) => port === 22);
    expect(ssh.length).toBeGreaterThan(0);
    for (const rule of ssh) expect(rule).toEqual(['ALLOW', 22, 22, management?.cidr]);
    for (const rule of rows.rules) {
      if (!rule.remoteGroupId) continue;
      const [own, remote] = [rule.securityGroupId, rule.remoteGroupId].map((id) =>
        need(rows.groups, id),
      );
      expect(remote?.projectId).toBe(own?.projectId);
    }
  });
});
