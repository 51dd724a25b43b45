/** Fills an empty database with the demo: a datacenter that has been in use for some weeks. */
import type { Data } from '../../data/client.js';
import { alertRows } from './alerts.js';
import { auditRows } from './audit.js';
import { clusterRows } from './clusters.js';
import { recommendationRows } from './drs.js';
import { agoFrom } from './ids.js';
import { imageRows } from './images.js';
import { insertTables, type Table } from './insert.js';
import { interfaceRows } from './interfaces.js';
import { networkRows } from './networks.js';
import { nodeRows } from './nodes.js';
import { projectRows } from './projects.js';
import { groupRows, ruleRows } from './security.js';
import { snapshotCount, snapshotHolders, snapshotRows } from './snapshots.js';
import { poolRows } from './storage.js';
import { memberRows, userRows } from './users.js';
import { machineRows } from './virtual-machines.js';
import { volumeRows } from './volumes.js';

export { DEMO_USERS, hashDemoPasswords } from './users.js';

export interface DemoOptions {
  /** The start: everything else happened before it. */
  readonly now: Date;
  /** Of the passwords of DEMO_USERS, in their order. */
  readonly hashes: readonly string[];
}

/** All rows, table by table. Sums (usage, capacity, pool sizes) are taken from the rows that they are sums of. */
function demoRows(now: Date, hashes: readonly string[]) {
  const ago = agoFrom(now);
  const { machines, memberships } = machineRows(ago);
  const volumes = volumeRows(ago, snapshotCount);
  const images = imageRows(ago);
  const nodes = nodeRows(ago, machines);
  const pools = poolRows(ago, [...volumes, ...images]);
  const projects = projectRows(ago, { machines, volumes, snapshots: snapshotHolders() });
  const clusters = clusterRows(ago);
  const wiring = interfaceRows(machines);
  const tables: readonly Table[] = [
    ['users', userRows(ago, hashes)],
    ['clusters', clusters],
    ['projects', projects],
    ['project_members', memberRows(ago)],
    ['security_groups', groupRows(ago)],
    ['security_rules', ruleRows(ago)],
    ['virtual_networks', networkRows(ago)],
    ['nodes', nodes],
    ['storage_pools', pools],
    ['images', images],
    ['virtual_machines', machines],
    ['vm_security_groups', memberships],
    ['network_interfaces', wiring.interfaces],
    ['ip_addresses', wiring.addresses],
    ['interface_security_groups', wiring.groups],
    ['volumes', volumes],
    ['vm_snapshots', snapshotRows(ago)],
    ['alerts', alertRows(ago, { nodes, pools })],
    ['drs_recommendations', recommendationRows(ago, { nodes, pools })],
    ['audit_log', auditRows(ago, { clusters, nodes, projects, machines })],
  ];
  return { tables, nodeIds: nodes.map(({ id }) => id) };
}

/**
 * Writes the demo in one transaction and returns the ids of its nodes, for which agents should report from now on.
 * Ids are the same every time. Users must not exist yet: the demo brings its own (DEMO_USERS).
 *
 * @throws Error when the database has clusters: then it is in use, and nothing is written
 */
export async function seedDemo(
  data: Pick<Data, 'transaction'>,
  options: DemoOptions,
): Promise<{ nodeIds: string[] }> {
  const { tables, nodeIds } = demoRows(options.now, options.hashes);
  await data.transaction(async (tx) => {
    if ((await tx.cluster.count()) > 0) {
      throw new Error('The database is in use: it has clusters. The demo needs an empty one.');
    }
    await insertTables(tx, tables);
  });
  return { nodeIds };
}
