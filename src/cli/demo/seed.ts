/** Fills an empty database with the demo: a datacenter that has been in use for some weeks. */
import type { Data } from '../../data/client.js';
import { alertRows } from './alerts.js';
import { auditRows } from './audit.js';
import { clusterRows } from './clusters.js';
import { recommendationRows } from './drs.js';
import { agoFrom } from './ids.js';
import { imageRows } from './images.js';
import { interfaceRows } from './interfaces.js';
import { networkRows } from './networks.js';
import { nodeRows } from './nodes.js';
import { projectRows } from './projects.js';
import { groupRows, ruleRows } from './security.js';
import { snapshotCount, snapshotHolders, snapshotRows } from './snapshots.js';
import { poolRows } from './storage.js';
import { DEMO_USERS, memberRows, userRows } from './users.js';
import { machineRows } from './virtual-machines.js';
import { volumeRows } from './volumes.js';

export { DEMO_USERS } from './users.js';

export interface DemoOptions {
  /** The start: everything else happened before it. */
  readonly now: Date;
  hashPassword(password: string): Promise<string>;
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
  return {
    users: userRows(ago, hashes),
    clusters,
    projects,
    members: memberRows(ago),
    groups: groupRows(ago),
    rules: ruleRows(ago),
    networks: networkRows(ago),
    nodes,
    pools,
    images,
    machines,
    memberships,
    wiring: interfaceRows(machines),
    volumes,
    snapshots: snapshotRows(ago),
    alerts: alertRows(ago, { nodes, pools }),
    recommendations: recommendationRows(ago, { nodes, pools }),
    audit: auditRows(ago, { clusters, nodes, projects, machines }),
  };
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
  const { now, hashPassword } = options;
  // before the transaction: hashing is slow on purpose
  const hashes = await Promise.all(DEMO_USERS.map(({ password }) => hashPassword(password)));
  const rows = demoRows(now, hashes);
  await data.transaction(async (tx) => {
    if ((await tx.cluster.count()) > 0) {
      throw new Error('The database is in use: it has clusters. The demo needs an empty one.');
    }
    await tx.user.createMany({ data: rows.users });
    await tx.cluster.createMany({ data: rows.clusters });
    await tx.project.createMany({ data: rows.projects });
    await tx.projectMember.createMany({ data: rows.members });
    await tx.securityGroup.createMany({ data: rows.groups });
    await tx.securityRule.createMany({ data: rows.rules });
    await tx.virtualNetwork.createMany({ data: rows.networks });
    await tx.node.createMany({ data: rows.nodes });
    await tx.storagePool.createMany({ data: rows.pools });
    await tx.image.createMany({ data: rows.images });
    await tx.virtualMachine.createMany({ data: rows.machines });
    await tx.vmSecurityGroup.createMany({ data: rows.memberships });
    await tx.networkInterface.createMany({ data: rows.wiring.interfaces });
    await tx.ipAddress.createMany({ data: rows.wiring.addresses });
    await tx.interfaceSecurityGroup.createMany({ data: rows.wiring.groups });
    await tx.volume.createMany({ data: rows.volumes });
    await tx.vmSnapshot.createMany({ data: rows.snapshots });
    await tx.alert.createMany({ data: rows.alerts });
    await tx.drsRecommendation.createMany({ data: rows.recommendations });
    await tx.auditEntry.createMany({ data: rows.audit });
  });
  return { nodeIds: rows.nodes.map(({ id }) => id) };
}
