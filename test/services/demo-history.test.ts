/** What the demo data tells of the past and of what is wrong: alerts, recommendations and history that agree with the rows. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedDemo } from '../../src/cli/demo/seed.js';
import { sourceOf } from '../../src/modules/alert/source.js';
import {
  type Capacity,
  capacityOf,
  effectivePhase,
  freeCapacity,
} from '../../src/modules/node/rules.js';
import { memoryAdapter } from './data-fixtures.js';
import { HASHES, NOW, need, OVERCOMMIT, type Rows, readAll, sum } from './demo-fixtures.js';

const memory = memoryAdapter();
let rows: Rows;

beforeAll(async () => {
  const data = await memory.open();
  await seedDemo(data, { now: NOW, hashes: HASHES });
  rows = await readAll(data.db);
});
afterAll(() => memory.dispose());

describe('alerts, recommendations and history', () => {
  test('alerts are of each severity; some are acknowledged, some are over', () => {
    expect(new Set(rows.alerts.map(({ severity }) => severity)).size).toBe(3);
    expect(rows.alerts.filter(({ acknowledged }) => acknowledged).length).toBeGreaterThan(2);
    expect(rows.alerts.filter(({ resolved }) => resolved).length).toBeGreaterThan(2);
    expect(rows.alerts.filter(({ resolved }) => !resolved).length).toBeGreaterThan(4);
  });

  test('alerts are about objects that exist, by their name and in their project', () => {
    const named = [
      ...rows.nodes.map((node) => ({
        ...node,
        type: 'HypervisorNode',
        called: node.hostname,
        projectId: null,
      })),
      ...rows.machines.map((row) => ({ ...row, type: 'VirtualMachine', called: row.name })),
      ...rows.pools.map((row) => ({ ...row, type: 'StoragePool', called: row.name })),
      ...rows.networks.map((row) => ({ ...row, type: 'VirtualNetwork', called: row.name })),
      ...rows.clusters.map((row) => ({
        ...row,
        type: 'Cluster',
        called: row.name,
        projectId: null,
      })),
    ];
    for (const alert of rows.alerts) {
      if (alert.sourceType === 'SYSTEM') {
        expect(alert.sourceId).toBeNull();
        continue;
      }
      const source = need(named, alert.sourceId);
      expect([alert.sourceType, alert.sourceName, alert.projectId]).toEqual([
        sourceOf(source.type),
        source.called,
        source.projectId,
      ]);
    }
    const openKinds = rows.alerts.filter(({ resolved }) => !resolved);
    for (const state of ['CRASHED', 'UNKNOWN'] as const) {
      const machine = rows.machines.find(({ powerState }) => powerState === state);
      expect(
        openKinds.map(({ sourceId }) => sourceId),
        state,
      ).toContain(machine?.id);
    }
  });

  test('percentages in open alerts and recommendations are those of the rows', () => {
    const full = rows.pools.find((pool) => pool.name === 'nfs-library');
    const pool = Number((100n * (full?.usedBytes ?? 0n)) / (full?.capacityBytes ?? 1n));
    expect(rows.alerts.find(({ kind }) => kind === 'pool-nearly-full')?.message).toContain(
      `${pool} %`,
    );
    expect(pool).toBeGreaterThanOrEqual(80);
    const memoryAlert = rows.alerts.find(({ kind }) => kind === 'node-memory');
    const node = need(rows.nodes, memoryAlert?.sourceId);
    const held = capacityOf(node.allocated).memoryMib;
    const share = Math.floor((100 * held) / capacityOf(node.allocatable).memoryMib);
    expect(share).toBeGreaterThanOrEqual(95); // that is what makes it CRITICAL
    expect(memoryAlert?.message).toContain(`${share} %`);
    const urgent = rows.recommendations.find(({ priority }) => priority === 'CRITICAL');
    expect(urgent?.sourceNodeId).toBe(node.id);
    expect(urgent?.reason).toContain(`${share} %`);
  });

  test('recommendations are of each priority and several statuses, for clusters with DRS', () => {
    expect(new Set(rows.recommendations.map(({ priority }) => priority)).size).toBe(4);
    expect(new Set(rows.recommendations.map(({ status }) => status)).size).toBeGreaterThanOrEqual(
      4,
    );
    for (const row of rows.recommendations) {
      expect(need(rows.clusters, row.clusterId).drsEnabled).toBe(true);
      expect(row.status === 'APPLIED').toBe(row.appliedAt !== null);
      for (const id of [row.sourceNodeId, row.targetNodeId]) {
        if (id) expect(need(rows.nodes, id).clusterId).toBe(row.clusterId);
      }
      if (row.recommendationType !== 'MIGRATE') continue;
      expect(need(rows.machines, row.virtualMachineId).clusterId).toBe(row.clusterId);
      expect([row.sourceNodeId, row.targetNodeId]).not.toContain(null);
    }
  });

  test('open recommendations are possible, all of them together; applied ones have happened', () => {
    const open = rows.recommendations.filter(
      ({ status }) => status === 'PENDING' || status === 'APPROVED',
    );
    expect(new Set(open.map((row) => row.virtualMachineId)).size).toBe(open.length);
    const arriving = new Map<string, Capacity[]>();
    for (const row of open) {
      const machine = need(rows.machines, row.virtualMachineId);
      const target = need(rows.nodes, row.targetNodeId);
      expect(machine.nodeId).toBe(row.sourceNodeId);
      expect(effectivePhase(target)).toBe('READY');
      arriving.set(target.id, [...(arriving.get(target.id) ?? []), capacityOf(machine.resources)]);
    }
    for (const [id, wanted] of arriving) {
      const node = need(rows.nodes, id);
      const free = freeCapacity(
        capacityOf(node.allocatable),
        capacityOf(node.allocated),
        OVERCOMMIT,
      );
      expect(sum(wanted.map(({ vcpus }) => vcpus))).toBeLessThanOrEqual(free.vcpus);
      expect(sum(wanted.map(({ memoryMib }) => memoryMib))).toBeLessThanOrEqual(free.memoryMib);
    }
    for (const row of rows.recommendations.filter(({ status }) => status === 'APPLIED')) {
      expect(need(rows.machines, row.virtualMachineId).nodeId).toBe(row.targetNodeId);
    }
  });

  test('the history is in the order of the change feed, and tells how every machine and node came to be', () => {
    const moments = rows.audit.map(({ createdAt }) => createdAt.getTime());
    expect(moments).toEqual([...moments].sort((a, b) => a - b));
    const told = (action: string) =>
      rows.audit
        .filter((entry) => entry.action === action && entry.status === 'SUCCEEDED')
        .map((e) => e.resourceId)
        .sort();
    expect(told('virtualMachine.create')).toEqual(rows.machines.map(({ id }) => id).sort());
    expect(told('node.register')).toEqual(rows.nodes.map(({ id }) => id).sort());
    expect(new Set(rows.audit.map(({ status }) => status)).size).toBe(3);
  });

  test('entries are about objects that exist, and people could do only what they may', () => {
    const objects = new Map<string, object>(
      Object.values(rows).flatMap((list: readonly object[]) =>
        list.flatMap((row): [string, object][] => ('id' in row ? [[String(row.id), row]] : [])),
      ),
    );
    for (const entry of rows.audit) {
      const user = need(rows.users, entry.userId);
      expect(entry.username).toBe(user.username);
      const object = entry.resourceId === null ? undefined : objects.get(entry.resourceId);
      if (entry.status === 'SUCCEEDED') expect(object, entry.action).toBeDefined();
      if (entry.resourceType === 'VirtualMachine' && object) {
        expect(object).toMatchObject({ name: entry.resourceName, projectId: entry.projectId });
      }
      if (entry.projectId === null || user.role === 'ADMIN') continue;
      const role = rows.members.find(
        (m) => m.userId === user.id && m.projectId === entry.projectId,
      )?.role;
      expect(role, `${entry.action} by ${user.username}`).toBeDefined();
      expect(entry.status === 'DENIED').toBe(role === 'VIEWER');
    }
  });

  test('the failed creation in the history names the quota and the use of its project', () => {
    const failed = rows.audit.find(
      (e) => e.status === 'FAILED' && e.action === 'virtualMachine.create',
    );
    const project = need(rows.projects, failed?.projectId);
    const { message } = (failed as unknown as { details: { error: { message: string } } }).details
      .error;
    expect(message).toContain(`quota of ${(project.quota as Record<string, number>).vcpus} vCPUs`);
    expect(message).toContain(`${project.usedVcpus} are in use`);
  });
});
