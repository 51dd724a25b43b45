/** A small datacenter for random operations, and somebody of each kind to send them. Made anew when too much of it is gone. */
import type { TestApp } from '../../support/app.js';
import type { Client } from '../../support/client.js';

export const VIEWERS = ['admin', 'operator', 'viewer', 'agent', 'anonymous'] as const;
export type Viewer = (typeof VIEWERS)[number];

/** In the names of a tenant whom none of them is a member of, and whose ids nobody is told. */
export const HIDDEN = 'zz-hidden-tenant';

export interface Place {
  readonly clients: Readonly<Record<Viewer, Client>>;
  /** Public ids by type; also of objects that only the administrator sees. */
  readonly ids: Readonly<Record<string, readonly string[]>>;
}

let places = 0;

export async function makePlace({ seed, signIn, withToken, anonymous }: TestApp): Promise<Place> {
  // What the seed makes, and does not count as used.
  const used = { usedStorageGib: 1_000, usedVolumes: 10, usedSnapshots: 10 };
  const own = await seed.project(used);
  const foreign = await seed.project(used);
  const cluster = await seed.cluster();
  places += 1;
  const hidden = await seed.project({ ...used, name: `${HIDDEN}-${places}` });
  const node = await seed.node(cluster);
  const pool = await seed.pool();
  const group = await seed.group(own);
  const secret = await seed.vm(hidden, { cluster, node, name: `${HIDDEN}-vm` });
  await seed.volume(hidden, pool, { name: `${HIDDEN}-volume` });
  await seed.task(hidden, secret);
  const off = await seed.vm(own, { cluster, node });
  const on = await seed.vm(own, {
    cluster,
    node,
    claimed: true,
    powerState: 'RUNNING',
    desiredState: 'RUNNING',
  });
  const admin = await seed.user('ADMIN');
  const operator = await seed.user('OPERATOR', { projects: { [own.uuid]: 'OPERATOR' } });
  const viewer = await seed.user('VIEWER', { projects: { [own.uuid]: 'VIEWER' } });
  const objects = {
    Project: [own, foreign],
    Cluster: [cluster],
    HypervisorNode: [node, await seed.node(cluster)],
    StoragePool: [pool],
    VirtualNetwork: [await seed.network()],
    VirtualMachine: [off, on, await seed.vm(foreign)],
    Volume: [await seed.volume(own, pool), await seed.volume(foreign, pool)],
    User: [operator],
    Image: [await seed.image()],
    SecurityGroup: [group],
    SecurityRule: [await seed.rule(group)],
    VirtualMachineSnapshot: [await seed.snapshot(off)],
    Task: [await seed.task(own, off)],
    Alert: [await seed.alert()],
    DrsRecommendation: [await seed.recommendation(cluster)],
    AuditEntry: [await seed.auditEntry()],
  };
  return {
    clients: {
      admin: await signIn(admin.name),
      operator: await signIn(operator.name),
      viewer: await signIn(viewer.name),
      agent: withToken(await seed.agentToken(node)),
      anonymous,
    },
    ids: Object.fromEntries(
      Object.entries(objects).map(([type, made]) => [type, made.map(({ id }) => id)]),
    ),
  };
}
