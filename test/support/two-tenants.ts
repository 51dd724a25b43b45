/**
 * Two projects side by side, with something of each in every table, things that all share, and references from one
 * project into the other that should not be there: what each viewer must and must not see is written down with each row.
 */
import { DEFAULT_PROJECT_ID, DEFAULT_SECURITY_GROUP_ID } from '../../src/data/client.js';
import { encodeGlobalId } from '../../src/ids.js';
import type { TestApp } from './app.js';
import type { Client } from './client.js';
import type { Made } from './seed.js';

export type Tenant = 'a' | 'b';
/** Who sees a row: members of a project, those of both, every user, administrators alone, or one user. */
export type Owner = Tenant | 'members' | 'everyone' | 'admins' | `self:${string}`;

export interface Viewer {
  readonly name: string;
  readonly client: Client;
  readonly tenants: readonly Tenant[];
  readonly role: 'ADMIN' | 'OPERATOR' | 'VIEWER' | 'AGENT';
}

export interface TwoTenants {
  /** Every row by its public id. */
  readonly owners: ReadonlyMap<string, Owner>;
  readonly viewers: readonly Viewer[];
}

/** What every text of a tenant's rows holds, so that it can be looked for in answers. */
export const markOf = (tenant: Tenant): string => `only-${tenant}`;

export function sees(viewer: Viewer, owner: Owner): boolean {
  if (viewer.role === 'AGENT') return false;
  if (viewer.role === 'ADMIN' || owner === 'everyone') return true;
  if (owner === 'members') return viewer.tenants.length > 0;
  return owner === `self:${viewer.name}` || viewer.tenants.includes(owner as Tenant);
}

const USERS: readonly (Omit<Viewer, 'client'> & { role: 'ADMIN' | 'OPERATOR' | 'VIEWER' })[] = [
  { name: 'viewer-of-a', role: 'VIEWER', tenants: ['a'] },
  { name: 'operator-of-a', role: 'OPERATOR', tenants: ['a'] },
  { name: 'operator-of-b', role: 'OPERATOR', tenants: ['b'] },
  { name: 'viewer-of-both', role: 'VIEWER', tenants: ['a', 'b'] },
  { name: 'nobodys-viewer', role: 'VIEWER', tenants: [] },
  { name: 'admin', role: 'ADMIN', tenants: [] },
];

export async function makeTwoTenants(world: TestApp): Promise<TwoTenants> {
  const { seed, data } = world;
  const owners = new Map<string, Owner>();
  const own = <M extends { id: string }>(owner: Owner, made: M): M => {
    owners.set(made.id, owner);
    return made;
  };
  own('admins', { id: encodeGlobalId('Project', DEFAULT_PROJECT_ID) });
  own('admins', { id: encodeGlobalId('SecurityGroup', DEFAULT_SECURITY_GROUP_ID) });

  const cluster = own('everyone', await seed.cluster());
  const nodes = [
    own('everyone', await seed.node(cluster)),
    own('everyone', await seed.node(cluster)),
  ] as const;
  const shared = {
    pool: own('everyone', await seed.pool({ assignedNodeIds: [nodes[0].uuid] })),
    network: own('everyone', await seed.network({ cidr: '10.4.0.0/24' })),
    image: own('everyone', await seed.image()),
  };
  own('everyone', await seed.alert());
  own('admins', await seed.enrolmentToken(cluster));
  own('everyone', await seed.alert({ sourceType: 'HOST', sourceId: nodes[0].uuid }));
  own('everyone', await seed.recommendation(cluster, { targetNodeId: nodes[0].uuid }));

  const projects = {
    a: await seed.project({ name: markOf('a'), description: markOf('a') }),
    b: await seed.project({ name: markOf('b'), description: markOf('b') }),
  };
  const users = new Map<string, Made>();
  for (const { name, role, tenants } of USERS) {
    const memberships = tenants.map((tenant, i) => [
      projects[tenant].uuid,
      i === 0 && role === 'OPERATOR' ? ('OPERATOR' as const) : ('VIEWER' as const),
    ]);
    const options = { username: name, projects: Object.fromEntries(memberships) };
    users.set(name, own(`self:${name}`, await seed.user(role, options)));
  }
  const userOf = { a: users.get('operator-of-a') as Made, b: users.get('operator-of-b') as Made };

  const parts = {
    a: await makeTenant('a'),
    b: await makeTenant('b'),
  };

  /** One of everything that can belong to a project, tied to what is shared and to each other. */
  async function makeTenant(tenant: Tenant) {
    const project = own(tenant, projects[tenant]);
    const mark = markOf(tenant);
    const user = userOf[tenant];
    const projectId = project.uuid;
    own(tenant, { id: encodeGlobalId('SecurityGroup', project.groupUuid) });
    const pool = own(tenant, await seed.pool({ name: `${mark}-pool`, projectId }));
    own(tenant, await seed.network({ name: `${mark}-network`, projectId, description: mark }));
    const image = { description: mark, projectId };
    own(tenant, await seed.image({ ...image, name: `${mark}-image`, poolId: pool.uuid }));
    own(
      'everyone',
      await seed.image({ name: `public-${tenant}`, projectId, public: true, poolId: pool.uuid }),
    );
    const group = own(
      tenant,
      await seed.group(project, { name: `${mark}-group`, description: mark }),
    );
    own(tenant, await seed.rule(group, { description: mark, remoteGroupId: group.uuid }));
    const vm = own(
      tenant,
      await seed.vm(project, {
        name: `${mark}-vm`,
        description: mark,
        labels: { mark },
        statusMessage: mark,
        cluster,
        node: nodes[0],
        createdById: user.uuid,
      }),
    );
    const wire = { name: `${mark}-nic`, addresses: [`10.4.0.${tenant === 'a' ? 10 : 11}`] };
    const nic = own(tenant, await seed.networkInterface(vm, shared.network, wire));
    await data.db.interfaceSecurityGroup.create({
      data: { interfaceId: nic.uuid, securityGroupId: group.uuid },
    });
    const volume = { phase: 'IN_USE', attachedVmId: vm.uuid } as const;
    own(
      tenant,
      await seed.volume(project, shared.pool, { ...volume, name: `${mark}-shared-pool` }),
    );
    own(tenant, await seed.volume(project, pool, { name: `${mark}-own-pool` }));
    const root = own(
      tenant,
      await seed.snapshot(vm, { name: `${mark}-root`, createdById: user.uuid }),
    );
    own(tenant, await seed.snapshot(vm, { name: `${mark}-leaf`, parentId: root.uuid }));
    const task = { nodeId: nodes[0].uuid, createdById: user.uuid, createdByName: mark };
    own(tenant, await seed.task(project, vm, task));
    own(tenant, await seed.task(project, vm, { ...task, status: 'RUNNING', finishedAt: null }));
    own(
      'admins',
      await seed.task(project, vm, { ...task, projectId: null, virtualMachineId: null }),
    );
    own(
      tenant,
      await seed.alert({
        title: mark,
        message: mark,
        projectId,
        sourceType: 'VM',
        sourceId: vm.uuid,
        sourceName: vm.name,
        acknowledged: true,
        acknowledgedById: user.uuid,
        acknowledgedAt: new Date(),
      }),
    );
    own(
      tenant,
      await seed.recommendation(cluster, {
        reason: mark,
        virtualMachineId: vm.uuid,
        sourceNodeId: nodes[0].uuid,
        targetNodeId: nodes[1].uuid,
        status: 'APPLIED',
        appliedAt: new Date(),
        appliedById: user.uuid,
      }),
    );
    const about = { resourceType: 'VirtualMachine', resourceId: vm.uuid, resourceName: vm.name };
    const entry = { username: mark, details: { mark }, ...about };
    own(tenant, await seed.auditEntry({ ...entry, projectId }));
    own(`self:${user.name}`, await seed.auditEntry({ ...entry, userId: user.uuid }));
    own('admins', await seed.auditEntry(entry));
    return { project, pool, group, vm };
  }

  // What one project publishes to the other is seen by the members of both, and by nobody else.
  for (const [from, to] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const image = own(
      'members',
      await seed.image({ name: `lent-by-${from}`, projectId: projects[from].uuid }),
    );
    const data = { imageId: image.uuid, projectId: projects[to].uuid };
    await world.data.db.imageShare.create({ data });
  }

  // What must not lead from one project into the other, even if it were written.
  const { a, b } = parts;
  for (const [from, to, tenant] of [
    [a, b, 'a'],
    [b, a, 'b'],
  ] as const) {
    const data = { remoteGroupId: to.group.uuid, description: `${markOf(tenant)} crossing` };
    own(tenant, await seed.rule(from.group, data));
    own(tenant, await seed.volume(from.project, to.pool, { name: `${markOf(tenant)}-crossing` }));
    for (const { group } of [from, to]) {
      const [virtualMachineId, securityGroupId] = [from.vm.uuid, group.uuid];
      await world.data.db.vmSecurityGroup.create({ data: { virtualMachineId, securityGroupId } });
    }
    own(
      tenant,
      await seed.volume(from.project, shared.pool, {
        name: `${markOf(tenant)}-astray`,
        phase: 'IN_USE',
        attachedVmId: to.vm.uuid,
      }),
    );
  }

  const viewers: Viewer[] = [];
  for (const user of USERS) viewers.push({ ...user, client: await world.signIn(user.name) });
  for (const [name, user] of users)
    own(`self:${name}`, await seed.apiToken(user, { projectIds: [projects.a.uuid] }));
  const agent = world.withToken(await seed.agentToken(nodes[0]));
  const { id: agentTokenId } = await data.db.apiToken.findFirstOrThrow({
    where: { nodeId: { not: null } },
  });
  owners.set(encodeGlobalId('ApiToken', agentTokenId), 'admins');
  viewers.push({ name: 'agent', role: 'AGENT', tenants: [], client: agent });

  // Signing in is in the audit log as well, as an act of the user who signed in.
  const signIns = await data.db.auditEntry.findMany({ where: { action: 'user.login' } });
  for (const { id, username } of signIns) {
    owners.set(encodeGlobalId('AuditEntry', id), `self:${username}`);
  }
  const sessions = await data.db.session.findMany({
    select: { id: true, user: { select: { username: true } } },
  });
  for (const { id, user } of sessions)
    owners.set(encodeGlobalId('Session', id), `self:${user.username}`);
  return { owners, viewers };
}
