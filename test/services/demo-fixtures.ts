/** What the suites of the demo data share: a moment to start at, all rows, and ways to look into them. */
import { expect } from 'vitest';
import { DEMO_USERS } from '../../src/cli/demo/users.js';
import type { Data } from '../../src/data/client.js';
import type { VmSpec } from '../../src/modules/virtual-machine/spec.js';

/** A moment far from the real one: what falls back to the clock is noticed. */
export const NOW = new Date('2027-03-14T15:09:26.535Z');
/** What one CPU and one MiB of a node may be promised. */
export const OVERCOMMIT = { cpu: 2, memory: 1.5 };
export const DAY_MS = 86_400_000;

/** Different for each demo user; nobody signs in with them. */
export const HASHES = DEMO_USERS.map(({ password }) => `hash(${password.length})`);

export async function readAll(db: Data['db']) {
  return {
    users: await db.user.findMany(),
    members: await db.projectMember.findMany(),
    projects: await db.project.findMany(),
    clusters: await db.cluster.findMany(),
    nodes: await db.node.findMany(),
    machines: await db.virtualMachine.findMany({ orderBy: { name: 'asc' } }),
    memberships: await db.vmSecurityGroup.findMany(),
    interfaces: await db.networkInterface.findMany(),
    addresses: await db.ipAddress.findMany(),
    interfaceGroups: await db.interfaceSecurityGroup.findMany(),
    snapshots: await db.vmSnapshot.findMany(),
    pools: await db.storagePool.findMany(),
    volumes: await db.volume.findMany(),
    images: await db.image.findMany(),
    networks: await db.virtualNetwork.findMany(),
    groups: await db.securityGroup.findMany(),
    rules: await db.securityRule.findMany(),
    alerts: await db.alert.findMany(),
    recommendations: await db.drsRecommendation.findMany(),
    audit: await db.auditEntry.findMany({ orderBy: { seq: 'asc' } }),
  };
}

export type Rows = Awaited<ReturnType<typeof readAll>>;

/** The row with this id; a missing one fails the test. */
export function need<T extends { id: string }>(
  list: readonly T[],
  id: string | null | undefined,
): T {
  const row = list.find((item) => item.id === id);
  return row ?? expect.fail(`there is no row with the id ${id}`);
}

/** All that is in the rows, as one text to search in. */
export function asText(rows: object): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}

/** Made by the migrations, when the database was: not ours. */
export const isFixed = (id: unknown): boolean => String(id).startsWith('00000000-');

export const specOf = (machine: { spec: unknown }): VmSpec => machine.spec as VmSpec;
export const labelsOf = (row: { labels: unknown }) => row.labels as Record<string, string>;
export const sum = (figures: readonly number[]): number => figures.reduce((a, b) => a + b, 0);
