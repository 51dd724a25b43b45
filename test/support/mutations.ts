/**
 * One working call of every mutation that the schema has, for what must hold for all of them: dry runs, idempotency, access.
 * A mutation without a sample fails a test by name: add it to SAMPLES.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { getNamedType, isInputObjectType, isLeafType, isObjectType, isUnionType } from 'graphql';
import type { TestApp } from './app.js';
import type { Client } from './client.js';
import { api, leaves } from './schema-walk.js';
import type { Made } from './seed.js';

export interface Sample {
  readonly client: Client;
  readonly input: Readonly<Record<string, unknown>>;
}

/** What samples are made of; each makes its own objects, so that they do not get in each other's way. */
export interface Stage {
  readonly world: TestApp;
  readonly admin: Client;
  readonly project: Made & { groupUuid: string };
  readonly cluster: Made;
  readonly node: Made;
}

export async function createStage(world: TestApp): Promise<Stage> {
  const { seed } = world;
  await seed.user('ADMIN', { username: 'stage-admin' });
  const cluster = await seed.cluster();
  return {
    world,
    admin: await world.signIn('stage-admin'),
    project: await seed.project(),
    cluster,
    node: await seed.node(cluster),
  };
}

export const METRICS = {
  sampledAt: '2026-05-04T09:00:00.000Z',
  cpuPercent: 12.5,
  memoryUsedMib: 2048,
  memoryTotalMib: 65_536,
  diskUsedGib: 10,
  diskTotalGib: 100,
  diskReadBytesPerSecond: 1,
  diskWriteBytesPerSecond: 2,
  networkReceiveBytesPerSecond: 3,
  networkTransmitBytesPerSecond: 4,
  loadAverage1m: 0.5,
  uptimeSeconds: 60,
};

export const HARDWARE = {
  cpu: {
    model: 'Test CPU',
    sockets: 1,
    coresPerSocket: 8,
    threadsPerCore: 2,
    frequencyMhz: 3000,
    features: ['vmx'],
  },
  memory: { totalMib: 65_536 },
  storage: [{ name: 'nvme0n1', type: 'NVME', sizeGib: 100 }],
  networks: [{ name: 'eth0', macAddress: '02:00:00:00:00:01', speedMbps: 1000, mtu: 1500 }],
};

let count = 0;
const fresh = (stem: string) => `${stem}-sample-${++count}`;

type Make = (stage: Stage) => Promise<Sample>;

const asAdmin =
  (make: (stage: Stage) => Promise<Record<string, unknown>>): Make =>
  async (stage) => ({ client: stage.admin, input: await make(stage) });

type State = 'RUNNING' | 'PAUSED' | 'STOPPED';
const powered =
  (powerState: State) =>
  ({ world, project, cluster, node }: Stage): Promise<Made> => {
    const placed = powerState === 'STOPPED' ? {} : { node, claimed: true };
    const columns = { powerState, desiredState: powerState, cluster, ...placed };
    return world.seed.vm(project, columns);
  };
const power = (powerState: State) =>
  asAdmin(async (stage) => ({ id: (await powered(powerState)(stage)).id }));
const binned = ({ world, project }: Stage): Promise<Made> =>
  world.seed.vm(project, { deletedAt: new Date() });

const edit = (make: (stage: Stage) => Promise<Made>, changes: Record<string, unknown>) =>
  asAdmin(async (stage) => ({ id: (await make(stage)).id, expectedVersion: 1, ...changes }));

const bulk = (make: (stage: Stage) => Promise<Made>, fields: Record<string, unknown> = {}) =>
  asAdmin(async (stage) => ({ ids: [(await make(stage)).id], ...fields }));

const intent = (from: 'IN_SERVICE' | 'CORDONED' | 'MAINTENANCE') =>
  asAdmin(async ({ world, cluster }) => ({
    id: (await world.seed.node(cluster, { intent: from })).id,
  }));

const ofSnapshot = (changes: Record<string, unknown>) =>
  asAdmin(async ({ world: { seed, data }, project }) => {
    const vm = await seed.vm(project);
    const { id } = await seed.snapshot(vm);
    const usedSnapshots = { increment: 1 };
    await data.db.project.update({ where: { id: project.uuid }, data: { usedSnapshots } });
    return { virtualMachineId: vm.id, id, ...changes };
  });
const claimedVolume = ({ world, project }: Stage): Promise<Made> =>
  world.seed.claimedVolume(project);
const ownImage = async ({ world: { seed }, project }: Stage): Promise<Made> =>
  seed.image({ projectId: project.uuid, poolId: (await seed.pool()).uuid });

const SAMPLES: Readonly<Record<string, Make>> = {
  createCluster: asAdmin(async () => ({ name: fresh('cluster'), drsAutomation: 'PARTIAL' })),
  createProject: asAdmin(async () => ({ name: fresh('project'), quota: { vcpus: 8 } })),
  createVirtualMachine: asAdmin(async ({ world: { seed }, project, cluster, node }) => ({
    projectId: project.id,
    name: fresh('vm'),
    labels: { tier: 'web' },
    spec: {
      cpu: { cores: 2 },
      memory: { sizeMib: 2048 },
      disks: [{ name: 'root', volumeId: (await seed.volume(project, await seed.pool())).id }],
      nics: [{ name: 'eth0', networkId: (await seed.network()).id }],
      placement: { clusterId: cluster.id, requiredNodeIds: [node.id] },
      provisioning: { method: 'CLOUD_INIT', userData: '#cloud-config' },
    },
  })),
  deleteCluster: edit(({ world }) => world.seed.cluster(), {}),
  deleteHypervisorNode: edit(({ world, cluster }) => world.seed.node(cluster), {}),
  decommissionHypervisorNode: edit(({ world, cluster }) => world.seed.node(cluster), {}),
  deleteProject: edit(({ world }) => world.seed.project(), {}),
  bulkAcknowledgeAlerts: bulk(({ world }) => world.seed.alert()),
  bulkResolveAlerts: bulk(({ world }) => world.seed.alert()),
  bulkDeleteVolumes: bulk(claimedVolume),
  bulkUpdateVolumes: bulk(claimedVolume, { deletionProtected: true }),
  bulkDeleteVirtualMachines: bulk(({ world, project }) => world.seed.vm(project)),
  bulkUpdateVirtualMachines: bulk(({ world, project }) => world.seed.vm(project), {
    deletionProtected: true,
  }),
  bulkCreateVirtualMachineSnapshots: bulk(({ world, project }) => world.seed.vm(project), {
    name: 'before-the-upgrade',
  }),
  bulkRestoreVirtualMachines: bulk(binned),
  bulkPurgeVirtualMachines: bulk(binned),
  bulkRebootVirtualMachines: bulk(powered('RUNNING')),
  bulkResetVirtualMachines: bulk(powered('RUNNING')),
  bulkSuspendVirtualMachines: bulk(powered('RUNNING')),
  bulkPauseVirtualMachines: bulk(powered('RUNNING')),
  bulkResumeVirtualMachines: bulk(powered('PAUSED')),
  bulkLabelVirtualMachines: bulk(({ world, project }) => world.seed.vm(project), {
    set: { tier: 'db' },
  }),
  bulkStartVirtualMachines: bulk(({ world, project, cluster }) =>
    world.seed.vm(project, { cluster }),
  ),
  bulkStopVirtualMachines: bulk(({ world, project, cluster, node }) =>
    world.seed.vm(project, { powerState: 'RUNNING', cluster, node, claimed: true }),
  ),
  bulkPromoteVirtualMachines: bulk(({ world, project }) => world.seed.linkedVm(project)),
  bulkMigrateVirtualMachines: bulk(async ({ world: { seed }, project }) => {
    const cluster = await seed.cluster();
    const node = await seed.node(cluster);
    await seed.node(cluster);
    return seed.vm(project, { powerState: 'RUNNING', cluster, node, claimed: true });
  }),
  labelVirtualMachine: asAdmin(async ({ world, project }) => ({
    id: (await world.seed.vm(project, { labels: { tier: 'web' } })).id,
    set: { rack: 'r1' },
    remove: ['tier'],
  })),
  purgeVirtualMachine: asAdmin(async ({ world, project }) => ({
    id: (await world.seed.vm(project, { deletedAt: new Date() })).id,
  })),
  restoreVirtualMachine: asAdmin(async ({ world, project }) => ({
    id: (await world.seed.vm(project, { deletedAt: new Date() })).id,
    name: fresh('restored'),
  })),
  deleteVirtualMachine: edit(async ({ world: { seed, data }, project }) => {
    const vm = await seed.vm(project);
    const attached = { attachedVmId: vm.uuid, phase: 'IN_USE' } as const;
    await seed.volume(project, await seed.pool(), attached);
    await seed.snapshot(vm);
    const usedSnapshots = { increment: 1 };
    await data.db.project.update({ where: { id: project.uuid }, data: { usedSnapshots } });
    return vm;
  }, {}),
  issueAgentToken: asAdmin(async ({ world: { seed }, cluster }) => {
    const node = await seed.node(cluster);
    await seed.agentToken(node);
    return { nodeId: node.id, name: 'second', revokeOthers: true };
  }),
  createApiToken: asAdmin(async () => ({ name: fresh('script'), permissions: ['vm:read'] })),
  revokeApiToken: asAdmin(async ({ world: { seed } }) => ({
    id: (await seed.apiToken(await seed.user('VIEWER'))).id,
  })),
  createEnrolmentToken: asAdmin(async ({ cluster }) => ({
    clusterId: cluster.id,
    name: fresh('enrolment'),
    uses: 2,
  })),
  revokeEnrolmentToken: asAdmin(async ({ world: { seed }, cluster }) => ({
    id: (await seed.enrolmentToken(cluster)).id,
  })),
  enrolHypervisorNode: async ({ world, cluster }) => ({
    client: world.anonymous,
    input: {
      token: (await world.seed.enrolmentToken(cluster)).token,
      instanceKey: randomBytes(32).toString('base64url'),
      hostname: fresh('node'),
      managementIp: '192.0.2.77',
    },
  }),
  login: async ({ world }) => {
    const { name } = await world.seed.user('VIEWER', { username: fresh('user') });
    return { client: world.anonymous, input: { username: name, password: world.seed.password } };
  },
  changePassword: async ({ world }) => {
    const { name } = await world.seed.user('VIEWER', { username: fresh('user') });
    const input = {
      currentPassword: world.seed.password,
      newPassword: fresh('a sample of a password'),
    };
    return { client: await world.signIn(name), input };
  },
  revokeOtherSessions: async ({ world }) => {
    const { name } = await world.seed.user('VIEWER', { username: fresh('user') });
    await world.signIn(name);
    return { client: await world.signIn(name), input: {} };
  },
  revokeSession: asAdmin(async ({ world: { seed } }) => ({
    id: (await seed.session(await seed.user('VIEWER'))).id,
  })),
  revokeUserSessions: asAdmin(async ({ world: { seed } }) => {
    const user = await seed.user('VIEWER');
    await seed.session(user);
    return { id: user.id };
  }),
  logout: async ({ world }) => {
    const { name } = await world.seed.user('VIEWER', { username: fresh('user') });
    return { client: await world.signIn(name), input: {} };
  },
  pauseVirtualMachine: power('RUNNING'),
  rebootVirtualMachine: power('RUNNING'),
  resetVirtualMachine: power('RUNNING'),
  suspendVirtualMachine: power('RUNNING'),
  cloneVirtualMachine: asAdmin(async ({ world: { seed }, project }) => {
    const vm = await seed.vm(project);
    await seed.volume(project, await seed.pool(), { attachedVmId: vm.uuid, phase: 'IN_USE' });
    return { id: vm.id, name: fresh('clone') };
  }),
  resizeVirtualMachine: edit(({ world, project }) => world.seed.vm(project), {
    cpu: { cores: 2 },
  }),
  promoteVirtualMachine: edit(({ world, project }) => world.seed.linkedVm(project), {}),
  migrateVirtualMachine: asAdmin(async ({ world: { seed }, project, cluster, node }) => {
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await seed.vm(project, { ...running, cluster, node, claimed: true });
    return { id: vm.id, targetNodeId: (await seed.node(cluster)).id };
  }),
  moveVirtualMachine: asAdmin(async ({ world: { seed }, project }) => ({
    id: (await seed.vm(project)).id,
    projectId: (await seed.project()).id,
    expectedVersion: 1,
  })),
  attachVolume: asAdmin(async ({ world: { seed }, project }) => ({
    virtualMachineId: (await seed.vm(project)).id,
    disk: { name: 'data', volumeId: (await seed.volume(project, await seed.pool())).id },
  })),
  detachVolume: asAdmin(async ({ world: { seed }, project }) => {
    const vm = await seed.vm(project);
    const attached = { attachedVmId: vm.uuid, phase: 'IN_USE' } as const;
    const volume = await seed.volume(project, await seed.pool(), attached);
    return { virtualMachineId: vm.id, volumeId: volume.id };
  }),
  attachCdrom: asAdmin(async ({ world: { seed }, project }) => ({
    virtualMachineId: (await seed.vm(project)).id,
    imageId: (await seed.image()).id,
  })),
  detachCdrom: asAdmin(async ({ world: { seed }, project }) => {
    const image = await seed.image();
    const vm = await seed.vm(project, {
      spec: { cpu: { cores: 1 }, memory: { sizeMib: 1024 }, cdroms: [{ imageId: image.uuid }] },
    });
    return { virtualMachineId: vm.id, imageId: image.id };
  }),
  issueConsoleTicket: asAdmin(async ({ world: { seed }, project, cluster, node }) => {
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await seed.vm(project, { ...running, cluster, node, claimed: true });
    return { virtualMachineId: vm.id };
  }),
  redeemConsoleTicket: async (stage) => {
    const { world, project, cluster } = stage;
    const node = await world.seed.node(cluster);
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await world.seed.vm(project, { ...running, cluster, node, claimed: true });
    const made = await mutate(stage.admin, 'issueConsoleTicket', { virtualMachineId: vm.id });
    return {
      client: world.withToken(await world.seed.agentToken(node)),
      input: { nodeId: node.id, token: made.token },
    };
  },
  createVirtualMachineSnapshot: asAdmin(async ({ world, project }) => ({
    virtualMachineId: (await world.seed.vm(project)).id,
    name: fresh('snapshot'),
  })),
  updateVirtualMachineSnapshot: ofSnapshot({ description: 'changed', expectedVersion: 1 }),
  revertVirtualMachineSnapshot: ofSnapshot({}),
  deleteVirtualMachineSnapshot: ofSnapshot({ expectedVersion: 1 }),
  cancelTask: asAdmin(async ({ world, project }) => ({
    id: (
      await world.seed.task(project, await world.seed.vm(project), {
        status: 'PENDING',
        finishedAt: null,
      })
    ).id,
  })),
  resumeVirtualMachine: power('PAUSED'),
  startVirtualMachine: power('STOPPED'),
  stopVirtualMachine: power('RUNNING'),
  registerHypervisorNode: asAdmin(async ({ cluster }) => ({
    hostname: fresh('node'),
    managementIp: '192.0.2.7',
    clusterId: cluster.id,
    labels: { rack: 'r1' },
  })),
  reportNode: async ({ world, project, cluster }) => {
    const node = await world.seed.node(cluster, { phase: 'NOT_READY' });
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await world.seed.vm(project, { ...running, cluster, node, claimed: true });
    await world.seed.vm(project, { desiredState: 'RUNNING', cluster, node, claimed: true });
    return {
      client: world.withToken(await world.seed.agentToken(node)),
      input: {
        nodeId: node.id,
        agentInstance: randomUUID(),
        sequence: 1,
        spec: HARDWARE,
        metrics: METRICS,
        virtualMachines: [{ virtualMachineId: vm.id, powerState: 'STOPPED', generation: 1 }],
      },
    };
  },
  acknowledgeAlert: asAdmin(async ({ world }) => ({ id: (await world.seed.alert()).id })),
  resolveAlert: asAdmin(async ({ world }) => ({ id: (await world.seed.alert()).id })),
  raiseAlert: asAdmin(async ({ node }) => ({
    severity: 'WARNING',
    title: 'sample',
    sourceId: node.id,
    kind: fresh('kind'),
  })),
  approveDrsRecommendation: asAdmin(async ({ world, cluster }) => ({
    id: (await world.seed.recommendation(cluster)).id,
  })),
  rejectDrsRecommendation: asAdmin(async ({ world, cluster }) => ({
    id: (await world.seed.recommendation(cluster)).id,
  })),
  applyDrsRecommendation: asAdmin(async ({ world: { seed }, project, cluster, node }) => {
    const running = { powerState: 'RUNNING', desiredState: 'RUNNING' } as const;
    const vm = await seed.vm(project, { ...running, cluster, node, claimed: true });
    const ids = { virtualMachineId: vm.uuid, sourceNodeId: node.uuid };
    const targetNodeId = (await seed.node(cluster)).uuid;
    return { id: (await seed.recommendation(cluster, { ...ids, targetNodeId })).id };
  }),
  cordonHypervisorNode: intent('IN_SERVICE'),
  uncordonHypervisorNode: intent('CORDONED'),
  enterMaintenance: intent('IN_SERVICE'),
  exitMaintenance: intent('MAINTENANCE'),
  createUser: asAdmin(async () => {
    const username = fresh('user');
    const email = `${username}@example.test`;
    return { username, email, role: 'OPERATOR', password: 'a sample of a password' };
  }),
  updateUser: edit(({ world }) => world.seed.user('VIEWER'), { role: 'OPERATOR' }),
  setUserPassword: asAdmin(async ({ world }) => ({
    id: (await world.seed.user('VIEWER')).id,
    password: 'a sample of a password',
  })),
  deleteUser: edit(({ world }) => world.seed.user('VIEWER'), {}),
  setProjectMember: asAdmin(async ({ world, project }) => ({
    projectId: project.id,
    userId: (await world.seed.user('VIEWER')).id,
    role: 'VIEWER',
  })),
  removeProjectMember: asAdmin(async ({ world, project }) => {
    const projects = { [project.uuid]: 'VIEWER' } as const;
    return { projectId: project.id, userId: (await world.seed.user('VIEWER', { projects })).id };
  }),
  createVirtualNetwork: asAdmin(async ({ project }) => ({
    projectId: project.id,
    name: fresh('network'),
    networkType: 'ISOLATED',
    cidr: '10.0.0.0/24',
    gateway: '10.0.0.1',
  })),
  updateVirtualNetwork: edit(({ world }) => world.seed.network(), { mtu: 9000 }),
  deleteVirtualNetwork: edit(({ world }) => world.seed.network(), {}),
  attachNetworkInterface: asAdmin(async ({ world: { seed }, project }) => ({
    virtualMachineId: (await seed.vm(project)).id,
    nic: {
      name: 'eth1',
      networkId: (await seed.network({ cidr: '10.5.0.0/24' })).id,
      // made up, it would not be the same in a dry run and in the real one
      macAddress: `02:00:00:00:${randomBytes(2).toString('hex').replace(/(..)/, '$1:')}`,
      securityGroupIds: [(await seed.group(project)).id],
    },
    expectedVersion: 1,
  })),
  detachNetworkInterface: asAdmin(async ({ world: { seed }, project }) => {
    const vm = await seed.vm(project);
    const network = await seed.network({ cidr: '10.5.0.0/24' });
    const { name } = await seed.networkInterface(vm, network, { addresses: ['10.5.0.7'] });
    return { virtualMachineId: vm.id, name, expectedVersion: 1 };
  }),
  setInterfaceSecurityGroups: asAdmin(async ({ world: { seed }, project }) => {
    const vm = await seed.vm(project);
    const { name } = await seed.networkInterface(vm, await seed.network());
    const securityGroupIds = [(await seed.group(project)).id];
    return { virtualMachineId: vm.id, name, securityGroupIds, expectedVersion: 1 };
  }),
  createSecurityGroup: asAdmin(async ({ project }) => ({
    projectId: project.id,
    name: fresh('group'),
  })),
  updateSecurityGroup: edit(({ world, project }) => world.seed.group(project), {
    description: 'changed',
  }),
  deleteSecurityGroup: edit(({ world, project }) => world.seed.group(project), {}),
  createSecurityRule: asAdmin(async ({ world, project }) => ({
    securityGroupId: (await world.seed.group(project)).id,
    rule: { direction: 'INGRESS', protocol: 'TCP', portRangeMin: 22 },
    expectedVersion: 1,
  })),
  deleteSecurityRule: asAdmin(async ({ world: { seed }, project }) => {
    const group = await seed.group(project);
    return { securityGroupId: group.id, id: (await seed.rule(group)).id };
  }),
  replaceSecurityRules: asAdmin(async ({ world: { seed }, project }) => {
    const group = await seed.group(project);
    await seed.rule(group);
    const rules = [{ direction: 'EGRESS', protocol: 'ANY' }];
    return { securityGroupId: group.id, rules, expectedVersion: 1 };
  }),
  createStoragePool: asAdmin(async ({ project, node }) => ({
    projectId: project.id,
    name: fresh('pool'),
    poolType: 'ISCSI',
    nodeIds: [node.id],
    iscsi: {
      portal: '192.0.2.20:3260',
      target: 'iqn.2026-01.test:one',
      lun: 0,
      chapUser: 'quantix',
      chapPassword: 'a sample of a secret',
    },
  })),
  updateStoragePool: edit(({ world, project }) => world.seed.pool({ projectId: project.uuid }), {
    description: 'changed',
    qos: { maxIops: 500 },
  }),
  deleteStoragePool: edit(({ world }) => world.seed.pool(), {}),
  assignStoragePoolNodes: asAdmin(async ({ world, node }) => ({
    id: (await world.seed.pool()).id,
    nodeIds: [node.id],
  })),
  unassignStoragePoolNodes: asAdmin(async ({ world: { seed }, cluster, node }) => {
    const assignedNodeIds = [node.uuid, (await seed.node(cluster)).uuid];
    return { id: (await seed.pool({ assignedNodeIds })).id, nodeIds: [node.id] };
  }),
  prepareStoragePool: asAdmin(async ({ world }) => ({
    id: (await world.seed.pool({ phase: 'ERROR', errorMessage: 'no route' })).id,
  })),
  createVolume: asAdmin(async ({ world: { seed }, project }) => ({
    projectId: project.id,
    poolId: (await seed.pool()).id,
    name: fresh('volume'),
    source: { imageId: (await seed.image()).id },
  })),
  cloneVolume: asAdmin(async (stage) => ({
    id: (await claimedVolume(stage)).id,
    name: fresh('copy'),
    mode: 'LINKED',
  })),
  growVolume: asAdmin(async (stage) => ({ id: (await claimedVolume(stage)).id, sizeGib: 20 })),
  updateVolume: edit(claimedVolume, { labels: { tier: 'db' } }),
  deleteVolume: edit(claimedVolume, {}),
  registerImage: asAdmin(async ({ world: { seed }, project }) => ({
    projectId: project.id,
    poolId: (await seed.pool()).id,
    name: fresh('image'),
    sourceUrl: 'https://images.example.test/sample.qcow2',
    format: 'QCOW2',
    osType: 'linux',
  })),
  updateImage: edit(ownImage, { description: 'changed' }),
  deleteImage: edit(ownImage, {}),
  publishImage: asAdmin(async (stage) => ({ id: (await ownImage(stage)).id, everybody: true })),
  unpublishImage: asAdmin(async (stage) => {
    const [image, other] = [await ownImage(stage), await stage.world.seed.project()];
    const data = { imageId: image.uuid, projectId: other.uuid };
    await stage.world.data.db.imageShare.create({ data });
    return { id: image.id, projectId: other.id };
  }),
  setSystemConfig: asAdmin(async () => ({
    key: 'tasks.retention',
    value: `${720 + ++count}h`,
  })),
  resetSystemConfig: asAdmin(async ({ admin }) => {
    // In turn, so that two samples are two requests.
    const key = ++count % 2 ? 'tasks.retention' : 'deletion.retention';
    await mutate(admin, 'setSystemConfig', { key, value: `${720 + count}h` });
    return { key };
  }),
  updateCluster: edit(({ world }) => world.seed.cluster(), { description: 'changed' }),
  updateHypervisorNode: edit(({ world, cluster }) => world.seed.node(cluster), {
    labels: { rack: 'r2' },
  }),
  updateProject: edit(({ world }) => world.seed.project(), { quota: { vcpus: 4 } }),
  updateVirtualMachine: edit(({ world, project }) => world.seed.vm(project), {
    labels: { tier: 'db' },
    deletionProtected: true,
  }),
};

const ALL = Object.keys(api.getMutationType()?.getFields() ?? {}).sort();

/** The names of all mutations of the schema that have a sample. */
export const MUTATIONS: readonly string[] = ALL.filter((mutation) => mutation in SAMPLES);

/** Those that have none: a test says that there are none of these. */
export const UNSAMPLED: readonly string[] = ALL.filter((mutation) => !(mutation in SAMPLES));

export function sampleOf(mutation: string, stage: Stage): Promise<Sample> {
  const make = SAMPLES[mutation];
  if (!make) throw new Error(`${mutation} has no sample in test/support/mutations.ts`);
  return make(stage);
}

export type MutationAnswer = { readonly __typename: string } & Readonly<Record<string, unknown>>;

/** Calls a mutation and selects all that its payload and every object in it, or its error, says. Top-level errors throw. */
export async function mutate(
  client: Client,
  mutation: string,
  input: Readonly<Record<string, unknown>>,
): Promise<MutationAnswer> {
  const { data, errors } = await client.answer<{ answer: MutationAnswer }, unknown>(
    documentOf(mutation),
    {
      input,
    },
  );
  if (errors.length > 0 || !data) throw new Error(`${mutation}: ${JSON.stringify(errors)}`);
  return data.answer;
}

/** The whole of a mutation as a document. */
export function documentOf(mutation: string): string {
  const Name = mutation.charAt(0).toUpperCase() + mutation.slice(1);
  return `mutation Sample($input: ${Name}Input!) {
    answer: ${mutation}(input: $input) {
      ${answerSelection(`${Name}Result`)}
    }
  }`;
}

/** The input fields of a mutation. */
export function inputFieldsOf(mutation: string): string[] {
  const [argument] = api.getMutationType()?.getFields()[mutation]?.args ?? [];
  const input = argument && getNamedType(argument.type);
  return isInputObjectType(input) ? Object.keys(input.getFields()) : [];
}

function errorsOf(result: string): string {
  const union = api.getType(result);
  if (!isUnionType(union)) throw new Error(`${result} is no union`);
  const errors = union.getTypes().filter(({ name }) => name.endsWith('Error'));
  return errors.map(({ name }) => `... on ${name} { ${leaves(name)} }`).join(' ');
}

function payloadSelection(name: string): string {
  const payload = api.getType(name);
  if (!isObjectType(payload)) throw new Error(`${name} is no object type`);
  const selections = Object.values(payload.getFields()).map((field) => {
    const type = getNamedType(field.type);
    if (isLeafType(type)) return field.name;
    if (isUnionType(type)) return `${field.name} { ${answerSelection(type.name)} }`;
    const many = name.startsWith('Bulk') && field.name === 'results';
    return `${field.name} { ${many ? payloadSelection(type.name) : leaves(type.name)} }`;
  });
  return selections.join(' ');
}

function answerSelection(result: string): string {
  const payload = result.replace(/Result$/, 'Payload');
  return `__typename ${errorsOf(result)} ... on ${payload} { ${payloadSelection(payload)} }`;
}

/** What a mutation answers about the one object of its sample: bulk mutations answer for each of theirs. */
export function outcomeOf(answer: MutationAnswer | undefined): MutationAnswer | undefined {
  const [item] = (answer?.results ?? []) as readonly { outcome: MutationAnswer }[];
  return item ? item.outcome : answer;
}
