/** The demo's volumes: the disks of its virtual machines, and some that nobody uses at the moment. */
import { defaultConfig } from '../../config/load.js';
import type { Prisma } from '../../gen/client/client.js';
import { claimOf } from '../../modules/storage/rules.js';
import { type Ago, demoId } from './ids.js';
import { imageId } from './images.js';
import { APPS, type App, MACHINES, type Machine, type MachineName } from './machines.js';
import { type ProjectName, projectId } from './projects.js';
import { type PoolName, poolId } from './storage.js';

type Part = 'root' | 'data';
type Provisioning = 'THIN' | 'THICK_LAZY' | 'THICK_EAGER';

export type VolumeRow = Prisma.VolumeCreateManyInput & { sizeBytes: bigint; claimedBytes: bigint };

const nameOf = (machine: MachineName, part: Part): string => `${machine}-${part}`;

export const volumeId = (machine: MachineName, part: Part): string =>
  demoId('Volume', nameOf(machine, part));

export const machineId = (name: MachineName): string => demoId('VirtualMachine', name);

interface FreePlan {
  readonly name: string;
  readonly project: ProjectName;
  readonly pool: PoolName;
  readonly sizeGib: number;
  readonly provisioning: Provisioning;
  readonly days: number;
  readonly labels: Readonly<Record<string, string>>;
}

// biome-ignore format: a table
const FREE: readonly FreePlan[] = [
  { name: 'shop-db-archive', project: 'web-shop',  pool: 'nfs-library', sizeGib: 600, provisioning: 'THICK_LAZY', days: 28.4, labels: { keep: 'ten-years' } },
  { name: 'git-archive',     project: 'platform',  pool: 'nfs-library', sizeGib: 400, provisioning: 'THIN',       days: 27.9, labels: { keep: 'one-year' } },
  { name: 'sales-2019',      project: 'analytics', pool: 'nfs-library', sizeGib: 700, provisioning: 'THICK_LAZY', days: 25.5, labels: { keep: 'ten-years' } },
  { name: 'spark-scratch',   project: 'analytics', pool: 'ceph-ssd',    sizeGib: 500, provisioning: 'THIN',       days: 3.4,  labels: {} },
  { name: 'checkpoints',     project: 'analytics', pool: 'local-nvme',  sizeGib: 250, provisioning: 'THIN',       days: 19.8, labels: { app: 'trainer' } },
];

const GIB = 1_073_741_824n;
const { thinOvercommit } = defaultConfig().storage;

/** How full thin volumes are, in percent: something between 30 and 79 that stays the same for a name. */
function fillOf(name: string): bigint {
  return 30n + BigInt(Number.parseInt(demoId('fill', name).slice(-4), 16) % 50);
}

/** What the backend says of a volume of this name. `mapped`: some node has it open as a device. */
function inBackend(pool: PoolName, name: string, mapped: boolean) {
  if (pool === 'ceph-ssd') {
    const backendId = `vm-ssd/${name}`;
    return {
      path: `rbd:${backendId}`,
      backendId,
      devicePath: mapped ? `/dev/rbd/${backendId}` : '',
    };
  }
  if (pool === 'local-nvme') {
    const device = `/dev/vg_nvme/${name}`;
    return { path: device, backendId: `vg_nvme/${name}`, devicePath: mapped ? device : '' };
  }
  return { path: `volumes/${name}.qcow2`, backendId: name, devicePath: '' };
}

function ofMachine(machine: Machine, snapshotCount: number, ago: Ago): VolumeRow[] {
  const app: App = APPS[machine.app];
  const pool = app.pool ?? 'ceph-ssd';
  return app.disks.flatMap((sizeGib, index): VolumeRow[] => {
    if (sizeGib === undefined) return [];
    const part: Part = index === 0 ? 'root' : 'data';
    const name = nameOf(machine.name, part);
    const provisioning = part === 'data' && app.tier === 'database' ? 'THICK_EAGER' : 'THIN';
    const sizeBytes = BigInt(sizeGib) * GIB;
    // an installation medium is not copied to the disk: that one begins empty
    const fromImage = part === 'root' && app.image !== 'windows-2025';
    return [
      {
        id: volumeId(machine.name, part),
        name,
        poolId: poolId(pool),
        projectId: projectId(app.project),
        sizeBytes,
        provisioning,
        claimedBytes: claimOf(provisioning, sizeBytes, thinOvercommit),
        phase: 'IN_USE',
        attachedVmId: machineId(machine.name),
        ...inBackend(pool, name, machine.power !== 'STOPPED'),
        labels: { app: machine.app, env: machine.env },
        spec: {
          source: fromImage ? { type: 'IMAGE', id: imageId(app.image) } : { type: 'EMPTY' },
          accessMode: 'READ_WRITE_ONCE',
        },
        actualSizeBytes: provisioning === 'THIN' ? (sizeBytes * fillOf(name)) / 100n : sizeBytes,
        snapshotCount,
        createdAt: ago(machine.days[0]),
        updatedAt: ago(machine.days[0]),
      },
    ];
  });
}

function free(plan: FreePlan, ago: Ago): VolumeRow {
  const { name, project, pool, sizeGib, provisioning, days, labels } = plan;
  const sizeBytes = BigInt(sizeGib) * GIB;
  return {
    id: demoId('Volume', name),
    name,
    poolId: poolId(pool),
    projectId: projectId(project),
    sizeBytes,
    provisioning,
    claimedBytes: claimOf(provisioning, sizeBytes, thinOvercommit),
    phase: 'READY',
    attachedVmId: null,
    ...inBackend(pool, name, false),
    labels: { ...labels },
    spec: { source: { type: 'EMPTY' }, accessMode: 'READ_WRITE_ONCE' },
    actualSizeBytes: provisioning === 'THIN' ? (sizeBytes * fillOf(name)) / 100n : sizeBytes,
    snapshotCount: 0,
    createdAt: ago(days),
    updatedAt: ago(days),
  };
}

/** @param snapshots how many snapshots a machine has; each is one of all its volumes */
export function volumeRows(ago: Ago, snapshots: (machine: MachineName) => number): VolumeRow[] {
  return [
    ...MACHINES.flatMap((machine) => ofMachine(machine, snapshots(machine.name), ago)),
    ...FREE.map((plan) => free(plan, ago)),
  ];
}
