/**
 * A datacenter for tests of lists: many rows in every table, and in every column that lists are ordered by many equal values.
 * One row of each kind is a hub that most others hang on, so that nested lists are long as well.
 */
import type { Data } from '../../src/data/client.js';
import * as enums from '../../src/gen/client/enums.js';
import { encodeGlobalId, newId } from '../../src/ids.js';

/** Rows that each table gets. */
const ROWS = 13;
/** And rows that only the hub gets, where names are unique within their owner. */
const MORE = 9;
const MOMENTS = ['2027-01-01T00:00:00.001Z', '2027-02-03T04:05:06.789Z', '2027-03-01T12:00:00Z'];

export interface Populated {
  /** Public ids, by type; the first is the hub's. */
  readonly ids: Readonly<Record<string, readonly string[]>>;
}

const rows = <T>(make: (i: number) => T, count = ROWS): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
/** One of the values, in turn. */
const nth = <T>(values: readonly T[], i: number): T => values[i % values.length] as T;
const one = <V extends string>(type: Record<string, V>, i: number): V =>
  nth(Object.values(type), i);
const moment = (i: number): Date => new Date(nth(MOMENTS, i));
const times = (i: number) => ({ createdAt: moment(i), updatedAt: moment(i + 1) });

/** Fills the database and returns what is in it. Nobody can sign in as the users: their hashes are none. */
export async function populate({ db }: Data): Promise<Populated> {
  const users = rows((i) => ({
    id: newId(),
    username: `user-${i}`,
    email: `user-${i}@example.test`,
    passwordHash: '-',
    role: one(enums.UserRole, i),
    enabled: i % 4 > 0,
    lastLogin: i % 3 ? moment(i) : null,
    ...times(i),
  }));
  const clusters = rows((i) => ({
    id: newId(),
    name: `cluster-${i}`,
    haEnabled: i % 2 > 0,
    drsEnabled: i % 3 > 0,
    drsAutomation: one(enums.DrsAutomation, i),
    ...times(i),
  }));
  const projects = rows((i) => ({
    id: newId(),
    name: `project-${i}`,
    description: nth(['', '50% off', '50 off', 'a_b', 'axb', 'Größe', 'back\\slash'], i),
    ...times(i),
  }));
  const sessions = rows((i) => ({
    id: newId(),
    userId: users[i % 4 ? 0 : i]?.id ?? '',
    ipAddress: i % 3 ? `192.0.2.${i}` : null,
    userAgent: nth(['', 'Börse/1.0', 'curl/8.5'], i),
    createdAt: moment(i),
    expiresAt: new Date('2100-01-01T00:00:00Z'),
  }));
  const user = (i: number) => nth(users, i).id;
  const project = (i: number) => nth(projects, i).id;
  /** The hub for every row but a few. */
  const hub = (list: readonly { id: string }[], i: number) => nth(list, i < 9 ? 0 : i).id;

  const nodes = rows((i) => ({
    id: newId(),
    hostname: `node-${i}`,
    managementIp: `192.0.2.${i}`,
    clusterId: hub(clusters, i),
    phase: one(enums.NodePhase, i),
    intent: one(enums.NodeIntent, i + (i > 5 ? 1 : 0)),
    lastHeartbeat: i % 4 ? moment(i) : null,
    ...times(i),
  }));
  const node = (i: number) => nth(nodes, i).id;
  const hashOf = (i: number) => String(i).padStart(64, '0');
  const tokens = rows((i) => ({
    id: newId(),
    name: nth(['backup', 'ci', 'monitoring'], i),
    tokenHash: hashOf(i),
    ...(i % 3 ? { userId: hub(users, i), scopes: ['vm:read'] } : { nodeId: hub(nodes, i) }),
    createdAt: moment(i),
  }));
  const enrolments = rows((i) => ({
    id: newId(),
    name: nth(['rack', 'lab'], i),
    tokenHash: hashOf(i),
    prefix: 'qxe_populate',
    clusterId: hub(clusters, i),
    maxUses: 2,
    uses: i % 3,
    expiresAt: moment(i + 1),
    createdById: hub(users, i),
    createdAt: moment(i),
  }));
  // The same name in every project, and some more in the hub.
  const machines = rows(
    (i) => ({
      id: newId(),
      name: i < ROWS ? 'web' : `hub-${i}`,
      projectId: i < ROWS ? project(i) : project(0),
      description: nth(['Web server', 'WEB SERVER', 'äöü', 'ÄÖÜ', '', '100%', '100 of 100'], i),
      spec: { cpu: { cores: 2 }, memory: { sizeMib: 2048 } },
      resources: { vcpus: 2, memoryMib: 2048, storageGib: 0 },
      powerState: one(enums.PowerState, i),
      desiredState: one(enums.DesiredState, i),
      deletionProtected: i % 3 === 0,
      clusterId: i % 5 ? hub(clusters, i) : null,
      nodeId: i % 4 ? hub(nodes, i) : null,
      createdById: i % 3 ? hub(users, i) : null,
      ...times(i),
    }),
    ROWS + MORE,
  );
  const machine = (i: number) => nth(machines, i).id;
  const pools = rows((i) => ({
    id: newId(),
    name: `pool-${i}`,
    poolType: one(enums.PoolType, i),
    phase: one(enums.PoolPhase, i),
    description: nth(['Fast flash', 'Slow disks'], i),
    capacityBytes: 10n ** 15n + BigInt(i % 3),
    usedBytes: 10n ** BigInt(i % 4),
    availableBytes: 10n ** 14n - BigInt(i % 4),
    projectId: i % 3 ? hub(projects, i) : null,
    assignedNodeIds: i % 3 ? [node(0), node(i)] : [],
    ...times(i),
  }));
  const hubVolumeId = newId();
  const volumes = rows((i) => {
    const phase = one(enums.VolumePhase, i);
    return {
      id: i ? newId() : hubVolumeId,
      parentId: i % 2 ? hubVolumeId : null,
      name: i < ROWS ? 'data' : `hub-${i}`,
      poolId: i < ROWS ? nth(pools, i).id : nth(pools, 0).id,
      projectId: hub(projects, i % ROWS),
      sizeBytes: nth([1n, 10n ** 9n, 4_611_686_018_427_387_904n, 2n ** 63n - 1n], i),
      actualSizeBytes: BigInt(i),
      provisioning: one(enums.VolumeProvisioning, i),
      snapshotCount: i % 3,
      deletionProtected: i % 3 === 1,
      phase,
      attachedVmId: phase === 'IN_USE' || phase === 'RESIZING' ? machine(0) : null,
      ...times(i),
    };
  }, ROWS + MORE);
  const linked = volumes.map((row, i) => ({ ...row, parentId: i ? hub(volumes, i - 1) : null }));
  const images = rows(
    (i) => ({
      id: newId(),
      name: `image-${i % 6}`,
      description: nth(['', 'Büro', 'BÜRO'], i),
      osType: nth(['linux', 'windows'], i),
      osVariant: `variant-${i % 5}`,
      format: one(enums.ImageFormat, i),
      phase: one(enums.ImagePhase, i),
      public: i % 4 === 0,
      poolId: i % 3 ? hub(pools, i) : null,
      projectId: i < 6 ? null : project(Math.floor((i - 6) / 6)),
      sizeBytes: BigInt(i % 3) * 10n ** 16n,
      minCpu: 1 + (i % 3),
      minMemoryMib: 256 * (1 + (i % 3)),
      minDiskGib: 1 + (i % 4),
      ...times(i),
    }),
    3 * ROWS,
  );
  const networks = rows((i) => {
    const networkType = one(enums.NetworkType, i);
    return {
      id: newId(),
      name: `network-${i}`,
      description: nth(['Inside', 'Outside'], i),
      networkType,
      phase: one(enums.NetworkPhase, i),
      vlanId: networkType === 'VLAN' ? 100 + i : null,
      mtu: 1500 + (i % 3),
      cidr: i % 4 ? '10.0.0.0/16' : null,
      dhcpEnabled: i % 2 > 0,
      projectId: i % 3 ? hub(projects, i) : null,
      ...times(i),
    };
  });
  // All on the hub among the machines, and most on the hub among the networks.
  const interfaces = rows((i) => ({
    id: newId(),
    virtualMachineId: i < 9 ? machine(0) : machine(i),
    name: `eth${i}`,
    networkId: hub(networks, i),
    macAddress: `52:54:00:00:00:${(16 + i).toString(16)}`,
    position: i % 3,
    ...times(i),
  }));
  // The default group of each project, and more in the hub.
  const groups = rows(
    (i) => ({
      id: newId(),
      name: i < ROWS ? 'default' : `group-${i}`,
      projectId: i < ROWS ? project(i) : project(0),
      isDefault: i < ROWS,
      ...times(i),
    }),
    ROWS + MORE,
  );
  const rules = rows((i) => {
    const protocol = one(enums.RuleProtocol, i);
    const ports = protocol === 'TCP' || protocol === 'UDP';
    return {
      id: newId(),
      securityGroupId: hub(groups, i),
      direction: one(enums.RuleDirection, i),
      action: one(enums.RuleAction, i + (i > 6 ? 1 : 0)),
      protocol,
      portRangeMin: ports ? 20 + i : null,
      portRangeMax: ports ? 40 + i : null,
      remoteGroupId: i % 3 ? hub(groups, i) : null,
      priority: nth([100, 10, 0], i),
      description: `rule ${i % 2}`,
      ...times(i),
    };
  });
  // The hub's machine has most groups, and the hub's group is on most machines; some have none.
  const joins = rows((i) => [
    { virtualMachineId: machine(0), securityGroupId: nth(groups, i).id },
    ...(i % 4 ? [{ virtualMachineId: machine(i), securityGroupId: nth(groups, 0).id }] : []),
  ]).flat();
  const snapshots = rows((i) => ({
    id: newId(),
    virtualMachineId: machine(0),
    name: `snapshot-${i}`,
    state: one(enums.SnapshotState, i),
    vmState: one(enums.PowerState, i),
    createdById: i % 2 ? user(0) : null,
    ...times(i),
  }));
  const tree = snapshots.map((row, i) => ({ ...row, parentId: i ? hub(snapshots, i - 1) : null }));
  const tasks = rows((i) => {
    const status = nth(['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'] as const, i);
    return {
      id: newId(),
      operation: one(enums.TaskOperation, i),
      status,
      resourceType: 'VirtualMachine',
      resourceId: machine(0),
      resourceName: 'web',
      virtualMachineId: i % 5 ? machine(0) : null,
      nodeId: i % 4 ? hub(nodes, i) : null,
      targetNodeId: i % 3 ? hub(nodes, i) : null,
      volumeId: i % 3 ? hub(volumes, i) : null,
      imageId: i % 4 ? hub(images, i) : null,
      poolId: i % 5 ? hub(pools, i) : null,
      projectId: i % 6 ? hub(projects, i) : null,
      generation: i,
      createdByName: 'someone',
      createdById: hub(users, i),
      finishedAt: moment(i),
      deadlineAt: moment(i),
      ...times(i),
    };
  });
  const alerts = rows((i) => ({
    id: newId(),
    severity: one(enums.AlertSeverity, i),
    title: nth(['Disk 90% full', 'disk 90% FULL', 'Disk 900 full'], i),
    message: `message ${i % 2}`,
    sourceType: one(enums.AlertSourceType, i),
    sourceId: i % 6 === 1 ? machine(0) : null,
    sourceName: `source-${i % 3}`,
    kind: `kind-${i}`,
    count: 1 + (i % 4),
    lastSeenAt: moment(i + 2),
    projectId: i % 4 ? hub(projects, i) : null,
    acknowledged: i % 2 > 0,
    acknowledgedById: i % 2 ? user(0) : null,
    acknowledgedAt: i % 2 ? moment(i) : null,
    resolved: i % 3 === 0,
    resolvedAt: i % 3 === 0 ? moment(i + 1) : null,
    ...times(i),
  }));
  const recommendations = rows((i) => ({
    id: newId(),
    clusterId: hub(clusters, i),
    priority: one(enums.DrsPriority, i),
    recommendationType: one(enums.DrsRecommendationType, i),
    status: one(enums.DrsStatus, i),
    reason: `reason ${i % 3}`,
    virtualMachineId: i % 5 ? machine(0) : null,
    sourceNodeId: i % 2 ? node(0) : i % 4 ? node(1) : null,
    targetNodeId: i % 2 ? (i % 3 ? node(2) : null) : node(0),
    appliedById: i % 2 ? user(0) : null,
    appliedAt: i % 2 ? moment(i) : null,
    ...times(i),
  }));
  const audit = rows((i) => ({
    id: newId(),
    userId: i % 3 ? user(0) : null,
    username: `user-${i % 2}`,
    action: nth(['virtualMachine.start', 'project.update'], i),
    resourceType: nth(['VirtualMachine', 'Project'], i),
    resourceId: i % 4 ? nth([machine(0), project(0)], i) : null,
    resourceName: nth(['web', 'project-0'], i),
    projectId: i % 5 ? project(0) : null,
    status: one(enums.AuditStatus, i),
    requestId: `request-${i % 3}`,
    ipAddress: i % 4 ? `192.0.2.${i % 3}` : null,
    credentialKind: one(enums.AuditCredentialKind, i),
    credentialId: `credential-${i % 2}`,
    createdAt: moment(i),
  }));

  await db.user.createMany({ data: users });
  await db.session.createMany({ data: sessions });
  await db.cluster.createMany({ data: clusters });
  await db.project.createMany({ data: projects });
  await db.node.createMany({ data: nodes });
  await db.apiToken.createMany({ data: tokens });
  await db.enrolmentToken.createMany({ data: enrolments });
  await db.virtualMachine.createMany({ data: machines });
  await db.storagePool.createMany({ data: pools });
  await db.volume.createMany({ data: linked });
  await db.image.createMany({ data: images });
  await db.virtualNetwork.createMany({ data: networks });
  await db.securityGroup.createMany({ data: groups });
  await db.networkInterface.createMany({ data: interfaces });
  await db.ipAddress.createMany({
    data: interfaces.map(({ id, networkId }, i) => ({
      networkId,
      address: `10.0.0.${i + 1}`,
      interfaceId: id,
    })),
  });
  await db.interfaceSecurityGroup.createMany({
    data: interfaces.map(({ id }, i) => ({
      interfaceId: id,
      securityGroupId: nth(groups, i).id,
    })),
  });
  await db.securityRule.createMany({ data: rules });
  await db.vmSecurityGroup.createMany({ data: joins });
  await db.vmSnapshot.createMany({ data: tree });
  await db.task.createMany({ data: tasks });
  await db.alert.createMany({ data: alerts });
  await db.drsRecommendation.createMany({ data: recommendations });
  await db.auditEntry.createMany({
    data: audit.map((entry) => ({ ...entry, actorId: entry.userId })),
  });

  const ids = (type: string, list: readonly { id: string }[]) =>
    [type, list.map(({ id }) => encodeGlobalId(type, id))] as const;
  return {
    ids: Object.fromEntries([
      ids('User', users),
      ids('ApiToken', tokens),
      ids('EnrolmentToken', enrolments),
      ids('Session', sessions),
      ids('Cluster', clusters),
      ids('Project', projects),
      ids('HypervisorNode', nodes),
      ids('VirtualMachine', machines),
      ids('StoragePool', pools),
      ids('Volume', volumes),
      ids('Image', images),
      ids('VirtualNetwork', networks),
      ids('NetworkInterface', interfaces),
      ids('SecurityGroup', groups),
      ids('SecurityRule', rules),
      ids('VirtualMachineSnapshot', snapshots),
      ids('Task', tasks),
      ids('Alert', alerts),
      ids('DrsRecommendation', recommendations),
      ids('AuditEntry', audit),
    ]),
  };
}
