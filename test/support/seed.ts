/** Fluent seed: a world in a few lines, written straight to the database, with only what a test names. */

import { hash as argon2 } from '@node-rs/argon2';
import { FOR_TOKENS } from '../../src/core/authz.js';
import { hashToken, newToken, prefixOfToken } from '../../src/core/tokens.js';
import type { Data } from '../../src/data/client.js';
import type { Prisma } from '../../src/gen/client/client.js';
import { encodeGlobalId, newId } from '../../src/ids.js';

/** A hash says itself how it is to be verified. Tests sign in thousands of times: theirs are as cheap as the library lets them be. */
const WEAK = { memoryCost: 8, timeCost: 1, parallelism: 1 };
const PASSWORD = 'correct horse battery';

export interface Made {
  /** The row's UUID. */
  readonly uuid: string;
  /** The public id. */
  readonly id: string;
  readonly name: string;
}

export type Seed = ReturnType<typeof createSeed>;

/** Names are made unique by a counter where a test gives none. */
export function createSeed({ db }: Data) {
  let count = 0;
  let hash: Promise<string> | undefined;
  const next = (stem: string) => `${stem}-${++count}`;
  const made = (type: string, uuid: string, name: string): Made => ({
    uuid,
    id: encodeGlobalId(type, uuid),
    name,
  });

  return {
    password: PASSWORD,
    /** A user; `projects`: the projects that the user is a member of, with the role in each. */
    async user(
      role: 'ADMIN' | 'OPERATOR' | 'VIEWER',
      options: {
        username?: string;
        projects?: Record<string, 'OPERATOR' | 'VIEWER'>;
        data?: Partial<Prisma.UserCreateManyInput>;
      } = {},
    ): Promise<Made> {
      hash ??= argon2(PASSWORD, WEAK);
      const username = options.username ?? next(role.toLowerCase());
      const id = newId();
      await db.user.create({
        data: {
          id,
          username,
          email: `${username}@example.test`,
          passwordHash: await hash,
          role,
          ...options.data,
        },
      });
      for (const [projectId, memberRole] of Object.entries(options.projects ?? {})) {
        await db.projectMember.create({ data: { projectId, userId: id, role: memberRole } });
      }
      return made('User', id, username);
    },
    /** A session that nobody has a token of. */
    async session(
      user: Made,
      data: Partial<Prisma.SessionUncheckedCreateInput> = {},
    ): Promise<Made> {
      const id = newId();
      const expiresAt = new Date(Date.now() + 3_600_000);
      await db.session.create({ data: { id, userId: user.uuid, expiresAt, ...data } });
      return made('Session', id, id);
    },
    async project(
      data: Partial<Prisma.ProjectCreateManyInput> = {},
    ): Promise<Made & { groupUuid: string }> {
      const id = newId();
      const name = data.name ?? next('project');
      await db.project.create({ data: { id, ...data, name } });
      const groupUuid = newId();
      await db.securityGroup.create({
        data: { id: groupUuid, name: 'default', projectId: id, isDefault: true },
      });
      return { ...made('Project', id, name), groupUuid };
    },
    async cluster(data: Partial<Prisma.ClusterCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('cluster');
      await db.cluster.create({ data: { id, ...data, name } });
      return made('Cluster', id, name);
    },
    /** A READY node with 64 vCPUs and 256 GiB, unless told otherwise. */
    async node(cluster: Made, data: Partial<Prisma.NodeCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const hostname = data.hostname ?? next('node');
      await db.node.create({
        data: {
          id,
          managementIp: '192.0.2.1',
          clusterId: cluster.uuid,
          phase: 'READY',
          lastHeartbeat: new Date(),
          allocatable: { vcpus: 64, memoryMib: 262_144, storageGib: 1000 },
          ...data,
          hostname,
        },
      });
      return made('HypervisorNode', id, hostname);
    },
    /** A machine that is STOPPED, 1 vCPU, 1 GiB, counted in its project's usage; `placed` also claims it on a node. */
    async vm(
      project: Made,
      data: Partial<Prisma.VirtualMachineCreateManyInput> & {
        cluster?: Made;
        node?: Made;
        claimed?: boolean;
      } = {},
    ): Promise<Made> {
      const { cluster, node, claimed = false, ...columns } = data;
      const id = newId();
      const name = data.name ?? next('vm');
      const resources = { vcpus: 1, memoryMib: 1024, storageGib: 0 };
      await db.virtualMachine.create({
        data: {
          id,
          projectId: project.uuid,
          spec: { cpu: { cores: 1 }, memory: { sizeMib: 1024 } },
          resources,
          observedGeneration: 1,
          clusterId: cluster?.uuid ?? null,
          nodeId: node?.uuid ?? null,
          capacityClaimed: claimed,
          ...columns,
          name,
        },
      });
      const counted = columns.deletedAt ? 0 : 1; // in the bin it takes nothing
      await db.project.update({
        where: { id: project.uuid },
        data: {
          usedVirtualMachines: { increment: counted },
          usedVcpus: { increment: counted },
          usedMemoryMib: { increment: 1024 * counted },
        },
      });
      if (claimed && node) {
        await db.$executeRaw`UPDATE nodes SET allocated = jsonb_build_object(
          'vcpus', (allocated->>'vcpus')::int + 1, 'memoryMib', (allocated->>'memoryMib')::int + 1024, 'storageGib', 0) WHERE id = ${node.uuid}::uuid`;
      }
      return made('VirtualMachine', id, name);
    },
    /** Many machines like those of `vm`, in three statements; `columns` by index. With `node`, they hold their share of it. */
    async vms(
      project: Made,
      count: number,
      columns: (index: number) => Partial<Prisma.VirtualMachineCreateManyInput> = () => ({}),
    ): Promise<Made[]> {
      const rows = Array.from({ length: count }, (_, index) => ({
        id: newId(),
        projectId: project.uuid,
        spec: { cpu: { cores: 1 }, memory: { sizeMib: 1024 } },
        resources: { vcpus: 1, memoryMib: 1024, storageGib: 0 },
        observedGeneration: 1,
        name: next('vm'),
        ...columns(index),
      }));
      await db.virtualMachine.createMany({ data: rows });
      const usage = { usedVirtualMachines: count, usedVcpus: count, usedMemoryMib: 1024 * count };
      await db.project.update({
        where: { id: project.uuid },
        data: Object.fromEntries(Object.entries(usage).map(([k, n]) => [k, { increment: n }])),
      });
      await db.$executeRaw`UPDATE nodes SET allocated = jsonb_build_object(
        'vcpus', held.count, 'memoryMib', held.count * 1024, 'storageGib', 0) FROM (
          SELECT node_id, count(*) FROM virtual_machines WHERE capacity_claimed GROUP BY node_id
        ) AS held WHERE nodes.id = held.node_id`;
      return rows.map(({ id, name }) => made('VirtualMachine', id, name));
    },
    async pool(data: Partial<Prisma.StoragePoolCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('pool');
      await db.storagePool.create({
        data: {
          id,
          poolType: 'NFS',
          phase: 'READY',
          capacityBytes: 10n ** 13n,
          availableBytes: data.capacityBytes ?? 10n ** 13n,
          ...data,
          name,
        },
      });
      return made('StoragePool', id, name);
    },
    async volume(
      project: Made,
      pool: Made,
      data: Partial<Prisma.VolumeCreateManyInput> = {},
    ): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('volume');
      await db.volume.create({
        data: {
          id,
          projectId: project.uuid,
          poolId: pool.uuid,
          sizeBytes: 10n ** 10n,
          phase: 'READY',
          ...data,
          name,
        },
      });
      return made('Volume', id, name);
    },
    /** A READY thin volume of 10 GiB, counted in its project's usage and in what its pool has claimed: 2.5 GiB. */
    async claimedVolume(
      project: Made,
      pool?: Made,
      data: Partial<Prisma.VolumeCreateManyInput> = {},
    ): Promise<Made> {
      const within = pool ?? (await this.pool());
      const claimedBytes = 5n * 2n ** 29n;
      const volume = await this.volume(project, within, {
        sizeBytes: 10n * 2n ** 30n,
        claimedBytes,
        ...data,
      });
      await db.storagePool.update({
        where: { id: within.uuid },
        data: { claimedBytes: { increment: claimedBytes } },
      });
      await db.project.update({
        where: { id: project.uuid },
        data: { usedVolumes: { increment: 1 }, usedStorageGib: { increment: 10 } },
      });
      return volume;
    },
    /** A machine whose one volume shares the blocks of another, which a second machine has. */
    async linkedVm(project: Made, pool?: Made): Promise<Made> {
      const [vm, original] = [await this.vm(project), await this.vm(project)];
      const snapshot = await this.snapshot(original);
      const attached = (machine: Made) =>
        ({ phase: 'IN_USE', attachedVmId: machine.uuid }) as const;
      const held = { snapshotCount: 1, spec: { snapshotIds: [snapshot.uuid] } };
      const parent = await this.claimedVolume(project, pool, { ...attached(original), ...held });
      const row = await db.volume.findUniqueOrThrow({ where: { id: parent.uuid } });
      const source = { type: 'SNAPSHOT', id: snapshot.uuid, volumeId: parent.uuid, linked: true };
      const within = { id: '', uuid: row.poolId, name: '' };
      const linked = { parentId: parent.uuid, spec: { source } };
      await this.claimedVolume(project, within, { ...attached(vm), ...linked });
      return vm;
    },
    async network(data: Partial<Prisma.VirtualNetworkCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('network');
      await db.virtualNetwork.create({
        data: { id, networkType: 'OVERLAY', phase: 'READY', ...data, name },
      });
      return made('VirtualNetwork', id, name);
    },
    /** An interface of a machine on a network; `addresses`: those that it holds there. */
    async networkInterface(
      vm: Made,
      network: Made,
      data: Partial<Prisma.NetworkInterfaceCreateManyInput> & {
        addresses?: readonly string[];
      } = {},
    ): Promise<Made> {
      const { addresses = [], ...columns } = data;
      const id = newId();
      const name = data.name ?? next('nic');
      const macAddress = `52:54:00:00:${((count >> 8) & 255).toString(16).padStart(2, '0')}:${(count & 255).toString(16).padStart(2, '0')}`;
      await db.networkInterface.create({
        data: {
          id,
          virtualMachineId: vm.uuid,
          networkId: network.uuid,
          macAddress,
          ...columns,
          name,
        },
      });
      await db.ipAddress.createMany({
        data: addresses.map((address) => ({
          address,
          networkId: network.uuid,
          interfaceId: id,
          requested: true,
        })),
      });
      return made('NetworkInterface', id, name);
    },
    /** Makes a user a member of a project. */
    async member(project: Made, user: Made, role: 'OPERATOR' | 'VIEWER' = 'VIEWER'): Promise<void> {
      await db.projectMember.create({
        data: { projectId: project.uuid, userId: user.uuid, role },
      });
    },
    /** An AVAILABLE image without a project, unless told otherwise. */
    async image(data: Partial<Prisma.ImageCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('image');
      await db.image.create({
        data: { id, osType: 'linux', format: 'QCOW2', phase: 'AVAILABLE', ...data, name },
      });
      return made('Image', id, name);
    },
    async group(
      project: Made,
      data: Partial<Prisma.SecurityGroupCreateManyInput> = {},
    ): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('group');
      await db.securityGroup.create({ data: { id, projectId: project.uuid, ...data, name } });
      return made('SecurityGroup', id, name);
    },
    /** A rule that lets everything in, unless told otherwise. */
    async rule(
      group: { uuid: string },
      data: Partial<Prisma.SecurityRuleCreateManyInput> = {},
    ): Promise<Made> {
      const id = newId();
      const description = data.description ?? next('rule');
      await db.securityRule.create({
        data: {
          id,
          securityGroupId: group.uuid,
          direction: 'INGRESS',
          protocol: 'ANY',
          ...data,
          description,
        },
      });
      return made('SecurityRule', id, description);
    },
    async snapshot(vm: Made, data: Partial<Prisma.VmSnapshotCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const name = data.name ?? next('snapshot');
      await db.vmSnapshot.create({
        data: {
          id,
          virtualMachineId: vm.uuid,
          state: 'AVAILABLE',
          vmState: 'STOPPED',
          ...data,
          name,
        },
      });
      return made('VirtualMachineSnapshot', id, name);
    },
    /** A task that SUCCEEDED, about a machine, unless told otherwise. Unfinished ones need `finishedAt: null`. */
    async task(
      project: Made,
      vm: Made,
      data: Partial<Prisma.TaskCreateManyInput> = {},
    ): Promise<Made> {
      const id = newId();
      await db.task.create({
        data: {
          id,
          operation: 'START',
          status: 'SUCCEEDED',
          resourceType: 'VirtualMachine',
          resourceId: vm.uuid,
          resourceName: vm.name,
          virtualMachineId: vm.uuid,
          projectId: project.uuid,
          generation: 1,
          createdByName: 'seed',
          finishedAt: new Date(),
          deadlineAt: new Date(),
          ...data,
        },
      });
      return made('Task', id, vm.name);
    },
    /** An open WARNING about the control plane, for every user, unless told otherwise. */
    async alert(data: Partial<Prisma.AlertCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const title = data.title ?? next('alert');
      await db.alert.create({
        data: { id, severity: 'WARNING', sourceType: 'SYSTEM', kind: title, ...data, title },
      });
      return made('Alert', id, title);
    },
    /** A PENDING recommendation about no machine, unless told otherwise. */
    async recommendation(
      cluster: Made,
      data: Partial<Prisma.DrsRecommendationCreateManyInput> = {},
    ): Promise<Made> {
      const id = newId();
      const reason = data.reason ?? next('recommendation');
      await db.drsRecommendation.create({
        data: {
          id,
          clusterId: cluster.uuid,
          priority: 'LOW',
          recommendationType: 'MIGRATE',
          ...data,
          reason,
        },
      });
      return made('DrsRecommendation', id, reason);
    },
    /** An entry by nobody about no project, unless told otherwise. */
    async auditEntry(data: Partial<Prisma.AuditEntryCreateManyInput> = {}): Promise<Made> {
      const id = newId();
      const action = data.action ?? next('seed.action');
      await db.auditEntry.create({
        data: {
          ...{ id, username: 'seed', resourceType: 'Project', actorId: data.userId ?? null },
          ...data,
          action,
        },
      });
      return made('AuditEntry', id, action);
    },
    /** A token of a user's script; without `permissions` it is for everything that a token can be for. */
    async apiToken(
      user: Made,
      data: Partial<Prisma.ApiTokenUncheckedCreateInput> = {},
    ): Promise<Made & { token: string }> {
      const id = newId();
      const token = newToken('script');
      const name = data.name ?? next('script');
      const given = { id, userId: user.uuid, tokenHash: hashToken(token), scopes: [...FOR_TOKENS] };
      await db.apiToken.create({ data: { ...given, prefix: prefixOfToken(token), ...data, name } });
      return { ...made('ApiToken', id, name), token };
    },
    /** A token with which nodes enrol in a cluster. */
    async enrolmentToken(
      cluster: Made,
      data: Partial<Prisma.EnrolmentTokenUncheckedCreateInput> = {},
    ): Promise<Made & { token: string }> {
      const id = newId();
      const token = newToken('enrolment');
      const name = data.name ?? next('enrolment');
      const given = { id, clusterId: cluster.uuid, tokenHash: hashToken(token), maxUses: 1 };
      const expiresAt = new Date('2100-01-01T00:00:00Z');
      await db.enrolmentToken.create({
        data: { ...given, prefix: prefixOfToken(token), expiresAt, ...data, name },
      });
      return { ...made('EnrolmentToken', id, name), token };
    },
    /** A token for the agent of a node. */
    async agentToken(node: Made): Promise<string> {
      const token = newToken('agent');
      await db.apiToken.create({
        data: { id: newId(), name: 'agent', nodeId: node.uuid, tokenHash: hashToken(token) },
      });
      return token;
    },
  };
}
