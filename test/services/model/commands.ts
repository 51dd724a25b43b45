/** Any command that a client may think of, about objects that exist, or have existed a moment ago. */
import type { Data } from '../../../src/data/client.js';
import { encodeGlobalId } from '../../../src/ids.js';
import type { Random } from './random.js';

export interface Given {
  readonly mutation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

type Row = { readonly id: string };
/** Nothing: there is no object of the kind to do it to. */
type Nothing = '' | undefined;
type Make = (tools: Tools) => Promise<Given['input'] | Nothing>;

interface Tools {
  readonly random: Random;
  readonly db: Data['db'];
  /** A name that nobody has had. */
  fresh(stem: string): string;
  /** The public id of any object of the type. */
  any(type: keyof typeof MODELS): Promise<string | undefined>;
}

const MODELS = {
  Project: 'project',
  VirtualMachine: 'virtualMachine',
  Volume: 'volume',
  VirtualMachineSnapshot: 'vmSnapshot',
  StoragePool: 'storagePool',
  VirtualNetwork: 'virtualNetwork',
  SecurityGroup: 'securityGroup',
  HypervisorNode: 'node',
} as const;

const about = (id: string | undefined, more: object = {}) => id && { id, ...more };
const edit =
  (type: keyof typeof MODELS, more: (tools: Tools) => object = () => ({})): Make =>
  async (tools) =>
    about(await tools.any(type), more(tools));

const forced = ({ random }: Tools): object => (random.once(2) ? { force: true } : {});
const several: Make = async ({ db, random }) => {
  const rows = await db.virtualMachine.findMany({ select: { id: true } });
  const ids = rows
    .filter(() => random.once(3))
    .map(({ id }) => encodeGlobalId('VirtualMachine', id));
  const mode = random.once(2) ? 'ATOMIC' : 'BEST_EFFORT';
  return ids.length > 0 ? { ids, mode } : undefined;
};

/** Sometimes of one that is not there (any more). */
const inBin: Make = async ({ any, db, random }) => {
  const row = random.of(await db.virtualMachine.findMany({ where: { deletedAt: { not: null } } }));
  const id = row ? encodeGlobalId('VirtualMachine', row.id) : await any('VirtualMachine');
  return row || random.once(4) ? about(id) : undefined;
};

async function nic({ any, fresh, random, db }: Tools): Promise<object | Nothing> {
  const networkId = await any('VirtualNetwork');
  const groups = await db.securityGroup.findMany({ where: { isDefault: false }, take: 3 });
  const group = random.of(groups);
  const groupIds = group && random.once(3) ? [encodeGlobalId('SecurityGroup', group.id)] : [];
  return networkId && { name: fresh('nic'), networkId, securityGroupIds: groupIds };
}

const ofVm =
  (more: (tools: Tools) => object | undefined): Make =>
  async (tools) => {
    const virtualMachineId = await tools.any('VirtualMachine');
    const rest = more(tools);
    return virtualMachineId && rest ? { virtualMachineId, ...rest } : undefined;
  };

const ofSnapshot =
  (more: (tools: Tools) => object = () => ({})): Make =>
  async (tools) => {
    const row = tools.random.of(await tools.db.vmSnapshot.findMany({ orderBy: { id: 'asc' } }));
    if (!row) return undefined;
    const virtualMachineId = encodeGlobalId('VirtualMachine', row.virtualMachineId);
    return {
      id: encodeGlobalId('VirtualMachineSnapshot', row.id),
      virtualMachineId,
      ...more(tools),
    };
  };

const maybe = (random: Random, most: number, least: number): number | null =>
  random.once(4) ? null : least + random.below(most);

/** Every mutation with how often it is given. */
const COMMANDS: Readonly<Record<string, readonly [weight: number, make: Make]>> = {
  createProject: [1, async ({ fresh }) => ({ name: fresh('project'), quota: { vcpus: 8 } })],
  deleteProject: [1, edit('Project')],
  updateProject: [
    2,
    edit('Project', ({ random }) => ({
      quota: {
        vcpus: maybe(random, 20, 4),
        volumes: maybe(random, 9, 3),
        snapshots: maybe(random, 6, 2),
      },
    })),
  ],
  createVirtualMachine: [
    8,
    async (tools) => {
      const { any, fresh, random, db } = tools;
      if ((await db.virtualMachine.count()) > 15) return undefined;
      const projectId = await any('Project');
      const wire = random.once(2) ? await nic(tools) : undefined;
      const volumeId = random.once(3) ? await any('Volume') : undefined;
      const spec = {
        cpu: { cores: 1 + random.below(2) },
        memory: { sizeMib: 1024 },
        ...(random.once(2) ? { hotAdd: true } : {}),
        ...(wire ? { nics: [wire] } : {}),
        ...(volumeId ? { disks: [{ name: 'root', volumeId }] } : {}),
      };
      return projectId && { projectId, name: fresh('vm'), spec };
    },
  ],
  updateVirtualMachine: [
    3,
    edit('VirtualMachine', ({ fresh, random }) =>
      random.once(2) ? { description: fresh('text') } : { deletionProtected: random.once(3) },
    ),
  ],
  promoteVirtualMachine: [
    4,
    async ({ any, db, random }) => {
      const where = {
        spec: { path: ['source', 'linked'], equals: true },
        attachedVmId: { not: null },
      };
      const row = random.of(await db.volume.findMany({ where, orderBy: { id: 'asc' } }));
      const id = row?.attachedVmId
        ? encodeGlobalId('VirtualMachine', row.attachedVmId)
        : await any('VirtualMachine');
      return about(id, { provisioning: random.of(['THIN', 'THICK_LAZY']) });
    },
  ],
  bulkPromoteVirtualMachines: [1, several],
  labelVirtualMachine: [
    3,
    edit('VirtualMachine', ({ fresh }) => ({ set: { last: fresh('label') } })),
  ],
  startVirtualMachine: [14, edit('VirtualMachine')],
  stopVirtualMachine: [4, edit('VirtualMachine', forced)],
  rebootVirtualMachine: [2, edit('VirtualMachine')],
  pauseVirtualMachine: [2, edit('VirtualMachine')],
  resumeVirtualMachine: [2, edit('VirtualMachine')],
  suspendVirtualMachine: [2, edit('VirtualMachine')],
  resetVirtualMachine: [2, edit('VirtualMachine')],
  resizeVirtualMachine: [
    5,
    edit('VirtualMachine', ({ random }) => ({ cpu: { cores: 1 + random.below(4) } })),
  ],
  migrateVirtualMachine: [
    8,
    async ({ any, random }) => {
      const id = await any('VirtualMachine');
      const targetNodeId = random.once(2) ? await any('HypervisorNode') : undefined;
      return id && { id, ...(targetNodeId ? { targetNodeId } : {}) };
    },
  ],
  moveVirtualMachine: [
    3,
    async ({ any }) => {
      const [id, projectId] = [await any('VirtualMachine'), await any('Project')];
      return id && projectId && { id, projectId };
    },
  ],
  deleteVirtualMachine: [
    4,
    edit('VirtualMachine', (tools) => ({
      ...forced(tools),
      ...(tools.random.once(3) ? { permanently: true } : {}),
    })),
  ],
  restoreVirtualMachine: [4, inBin],
  purgeVirtualMachine: [2, inBin],
  cloneVirtualMachine: [
    4,
    async ({ any, db, fresh, random }) => {
      if ((await db.virtualMachine.count()) > 15) return undefined;
      const name = fresh('clone');
      const from = random.of(await db.vmSnapshot.findMany({ where: { state: 'AVAILABLE' } }));
      // Of one that is not off, by a snapshot of its own.
      if (!from || random.once(2))
        return about(await any('VirtualMachine'), { name, mode: random.of(['FULL', 'LINKED']) });
      return {
        id: encodeGlobalId('VirtualMachine', from.virtualMachineId),
        snapshotId: encodeGlobalId('VirtualMachineSnapshot', from.id),
        mode: random.of(['FULL', 'LINKED']),
        startOnCreate: random.once(2),
        name,
      };
    },
  ],
  bulkStartVirtualMachines: [2, several],
  bulkStopVirtualMachines: [1, several],
  bulkMigrateVirtualMachines: [1, several],
  bulkSuspendVirtualMachines: [1, several],
  bulkResumeVirtualMachines: [1, several],
  bulkCreateVirtualMachineSnapshots: [
    1,
    async (tools) => {
      const many = await several(tools);
      return many && { ...many, name: tools.fresh('snapshot') };
    },
  ],
  createApiToken: [
    1,
    async ({ fresh, random }) => ({
      name: fresh('script'),
      permissions: [random.of(['vm:read', 'storage:read'])],
    }),
  ],
  revokeApiToken: [
    1,
    async ({ db, random }) => {
      const rows = await db.apiToken.findMany({
        where: { nodeId: null }, // agents go on
        orderBy: { id: 'asc' },
      });
      const row = random.of(rows);
      return row && { id: encodeGlobalId('ApiToken', row.id) };
    },
  ],
  createVolume: [
    6,
    async ({ any, fresh, random, db }) => {
      if ((await db.volume.count()) > 15) return undefined;
      const [projectId, poolId] = [await any('Project'), await any('StoragePool')];
      const provisioning = random.of(['THIN', 'THICK_LAZY']);
      const sizeGib = 1 + random.below(10);
      return (
        projectId && poolId && { projectId, poolId, name: fresh('volume'), sizeGib, provisioning }
      );
    },
  ],
  growVolume: [4, edit('Volume', ({ random }) => ({ sizeGib: 5 + random.below(20) }))],
  cloneVolume: [
    3,
    edit('Volume', ({ fresh, random }) => ({
      name: fresh('copy'),
      mode: random.of(['FULL', 'LINKED']),
    })),
  ],
  updateVolume: [
    4,
    edit(
      'Volume',
      ({ fresh, random }) =>
        random.of([
          { labels: { last: fresh('label') } },
          { qos: { maxIops: 1 + random.below(1000) } },
          { deletionProtected: random.once(3) },
        ]) as object,
    ),
  ],
  deleteVolume: [3, edit('Volume')],
  attachVolume: [
    6,
    async ({ db, fresh, random }) => {
      const row = random.of(await db.volume.findMany({ where: { phase: 'READY' } }));
      const where = row && { projectId: row.projectId };
      const machine = where && random.of(await db.virtualMachine.findMany({ where }));
      return (
        machine && {
          virtualMachineId: encodeGlobalId('VirtualMachine', machine.id),
          disk: { name: fresh('disk'), volumeId: encodeGlobalId('Volume', row.id) },
        }
      );
    },
  ],
  detachVolume: [
    3,
    async ({ db, random }) => {
      const row = random.of(await db.volume.findMany({ where: { attachedVmId: { not: null } } }));
      return (
        row && {
          virtualMachineId: encodeGlobalId('VirtualMachine', row.attachedVmId ?? ''),
          volumeId: encodeGlobalId('Volume', row.id),
        }
      );
    },
  ],
  createVirtualMachineSnapshot: [4, ofVm(({ fresh }) => ({ name: fresh('snapshot') }))],
  updateVirtualMachineSnapshot: [1, ofSnapshot(({ fresh }) => ({ description: fresh('text') }))],
  revertVirtualMachineSnapshot: [2, ofSnapshot(forced)],
  deleteVirtualMachineSnapshot: [3, ofSnapshot()],
  attachNetworkInterface: [
    4,
    async (tools) => {
      const [virtualMachineId, wire] = [await tools.any('VirtualMachine'), await nic(tools)];
      return virtualMachineId && wire && { virtualMachineId, nic: wire };
    },
  ],
  detachNetworkInterface: [
    3,
    async ({ db, random }) => {
      const row = random.of(await db.networkInterface.findMany({ orderBy: { id: 'asc' } }));
      return (
        row && {
          virtualMachineId: encodeGlobalId('VirtualMachine', row.virtualMachineId),
          name: row.name,
        }
      );
    },
  ],
  createVirtualNetwork: [
    1,
    async ({ fresh, random }) => {
      const second = random.below(200);
      return {
        name: fresh('network'),
        networkType: 'ISOLATED',
        cidr: `10.${second}.0.0/29`,
        gateway: `10.${second}.0.1`,
      };
    },
  ],
  updateVirtualNetwork: [
    1,
    edit('VirtualNetwork', ({ random }) => ({ mtu: 1400 + random.below(100) })),
  ],
  deleteVirtualNetwork: [1, edit('VirtualNetwork')],
  createSecurityGroup: [
    2,
    async ({ any, fresh }) => {
      const projectId = await any('Project');
      return projectId && { projectId, name: fresh('group') };
    },
  ],
  replaceSecurityRules: [
    2,
    async ({ any, random }) => {
      const securityGroupId = await any('SecurityGroup');
      const port = 1 + random.below(1000);
      const rules = [
        { direction: 'INGRESS', protocol: 'TCP', portRangeMin: port, portRangeMax: port },
      ];
      return securityGroupId && { securityGroupId, rules };
    },
  ],
  deleteSecurityGroup: [1, edit('SecurityGroup')],
  cordonHypervisorNode: [1, edit('HypervisorNode')],
  uncordonHypervisorNode: [3, edit('HypervisorNode')],
  enterMaintenance: [1, edit('HypervisorNode')],
  exitMaintenance: [3, edit('HypervisorNode')],
  cancelTask: [
    5,
    async ({ db, random }) => {
      const rows = await db.task.findMany({ where: { finishedAt: null }, orderBy: { id: 'asc' } });
      const row = random.of(rows);
      return row && { id: encodeGlobalId('Task', row.id) };
    },
  ],
};

const HAT = Object.entries(COMMANDS).flatMap(([name, [weight]]) =>
  Array<string>(weight).fill(name),
);

/** Makes commands until one is possible. `caller` and a counter make names that nobody else has. */
export function createGenerator(db: Data['db'], random: Random, caller: string) {
  let count = 0;
  const tools: Tools = {
    db,
    random,
    fresh: (stem) => `${stem}-${caller}-${++count}`,
    async any(type) {
      const model = db[MODELS[type]] as unknown as { findMany(args: object): Promise<Row[]> };
      const row = random.of(await model.findMany({ select: { id: true }, orderBy: { id: 'asc' } }));
      return row && encodeGlobalId(type, row.id);
    },
  };
  return async (): Promise<Given> => {
    for (;;) {
      const mutation = random.of(HAT) ?? '';
      const input = await COMMANDS[mutation]?.[1](tools);
      if (input) return { mutation, input };
    }
  };
}
