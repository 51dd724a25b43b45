/** What a virtual machine is made of: the shape of `virtual_machines.spec`, its limits, and what it takes from quota and node. Pure. */
import { z } from 'zod';
import { idOf, ipAddress, optional } from '../../core/input.js';
import type { Issue } from '../../errors.js';

/** Network interfaces of one machine. */
export const MAX_NICS = 32;
const MOST = { disks: 64, nics: MAX_NICS, cdroms: 4 } as const;

export const partName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a lower-case name of at most 32 characters');

export const cpuInput = z.object({
  cores: z.number().int().min(1).max(256),
  sockets: optional(z.number().int().min(1).max(16)),
  threadsPerCore: optional(z.number().int().min(1).max(8)),
  model: optional(z.string().max(63)),
});

export const memoryInput = z.object({
  sizeMib: z.number().int().min(256).max(1_048_576),
  balloonMinMib: optional(z.number().int().min(64).max(1_048_576)),
  hugePages: optional(z.boolean()),
});

export const diskInput = z.object({
  name: partName,
  volumeId: idOf('Volume'),
  bus: optional(z.enum(['VIRTIO_BLK', 'VIRTIO_SCSI', 'NVME', 'SATA', 'IDE'])),
  cache: optional(z.enum(['NONE', 'WRITEBACK', 'WRITETHROUGH'])),
  bootOrder: optional(z.number().int().min(1).max(64)),
  iopsLimit: optional(z.number().int().min(1).max(10_000_000)),
});

const mac = z
  .string()
  .regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/, 'must be a unicast MAC address in lower case');

export const nicInput = z.object({
  name: partName,
  networkId: idOf('VirtualNetwork'),
  macAddress: optional(mac),
  ipAddresses: optional(z.array(ipAddress).max(16)),
  securityGroupIds: optional(z.array(idOf('SecurityGroup')).max(16)),
  model: optional(z.enum(['VIRTIO', 'E1000', 'RTL8139'])),
  bandwidthMbps: optional(z.number().int().min(1).max(400_000)),
});

const nodeIds = optional(z.array(idOf('HypervisorNode')).max(100));
const affinityLabels = optional(z.record(z.string().max(63), z.string().max(255)));

const placement = z.object({
  clusterId: optional(idOf('Cluster')),
  requiredNodeIds: nodeIds,
  excludedNodeIds: nodeIds,
  affinityLabels,
  antiAffinityLabels: affinityLabels,
  policy: optional(z.enum(['HARD', 'SOFT'])),
});

/** The parts of a spec as a caller sends them, ids in their public form. */
export const specInput = z
  .object({
    cpu: cpuInput,
    memory: memoryInput,
    disks: optional(z.array(diskInput).max(MOST.disks)),
    nics: optional(z.array(nicInput).max(MOST.nics)),
    cdroms: optional(z.array(z.object({ imageId: idOf('Image') })).max(MOST.cdroms)),
    display: optional(z.object({ type: z.enum(['VNC', 'SPICE', 'NONE']) })),
    boot: optional(
      z.object({
        firmware: optional(z.enum(['BIOS', 'UEFI', 'UEFI_SECURE_BOOT'])),
        order: optional(z.array(z.enum(['DISK', 'CDROM', 'NETWORK'])).max(3)),
      }),
    ),
    placement: optional(placement),
    haPolicy: optional(
      z.object({
        restart: z.enum(['ALWAYS', 'ON_FAILURE', 'NEVER']),
        priority: optional(z.number().int().min(1).max(5)),
        maxRestarts: optional(z.number().int().min(0).max(100)),
      }),
    ),
    guestOs: optional(z.string().max(63)),
    provisioning: optional(
      z.object({
        method: z.enum(['CLOUD_INIT', 'IGNITION', 'NONE']),
        userData: optional(z.string().max(65_536)),
      }),
    ),
    hotAdd: optional(z.boolean()),
  })
  .superRefine((spec, context) => {
    for (const { path, message } of specFaults(spec))
      context.addIssue({ code: 'custom', path: [...path], message });
  });

type Sized = Pick<VmSpec, 'cpu' | 'memory'>;

/** What is wrong with the parts of a spec together; each alone has been checked. */
export function specFaults(spec: Sized & Pick<VmSpec, 'disks' | 'nics' | 'cdroms'>): Issue[] {
  const { disks = [], nics = [], cdroms = [] } = spec;
  return [
    ...sizeFaults(spec),
    ...repeated(disks, 'name', 'disks'),
    ...repeated(disks, 'volumeId', 'disks'),
    ...repeated(disks, 'bootOrder', 'disks'),
    ...repeated(nics, 'name', 'nics'),
    ...repeated(nics, 'macAddress', 'nics'),
    ...tooMany(disks, MOST.disks, 'disks'),
    ...tooMany(nics, MOST.nics, 'nics'),
    ...tooMany(cdroms, MOST.cdroms, 'cdroms'),
  ];
}

function sizeFaults(spec: Sized): Issue[] {
  const faults: Issue[] = [];
  const total = vcpusOf(spec);
  if (total > 256) {
    const message = `cores x sockets x threadsPerCore must be 256 at most, not ${total}`;
    faults.push({ path: ['cpu'], message });
  }
  const { balloonMinMib, sizeMib } = spec.memory;
  if (balloonMinMib !== undefined && balloonMinMib > sizeMib)
    faults.push({ path: ['memory', 'balloonMinMib'], message: 'must not exceed sizeMib' });
  return faults;
}

function repeated<T extends object>(
  parts: readonly T[],
  key: keyof T & string,
  list: string,
): Issue[] {
  const values = parts.map((part) => part[key]).filter((value) => value !== undefined);
  return values
    .filter((value, i) => values.indexOf(value) !== i)
    .map((value) => ({ path: [list, key], message: `${String(value)} is there twice` }));
}

function tooMany(parts: readonly object[], most: number, list: string): Issue[] {
  return parts.length > most ? [{ path: [list], message: `there can be ${most} at most` }] : [];
}

/** As it is stored: UUIDs instead of public ids, and nothing that the caller did not send. */
export type VmSpec = z.output<typeof specInput>;

export type Nic = z.output<typeof nicInput>;

/** A stored spec, or null when its row has none: the column's default is an empty object. */
export function readSpec(json: unknown): VmSpec | null {
  const spec = json as Partial<VmSpec> | null;
  return spec?.cpu && spec.memory ? (spec as VmSpec) : null;
}

/** What a virtual machine takes from its project's quota and its node. */
export interface VmResources {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly storageGib: number;
}

export function vcpusOf(spec: {
  cpu: { cores: number; sockets?: number | undefined; threadsPerCore?: number | undefined };
}): number {
  const { cores, sockets = 1, threadsPerCore = 1 } = spec.cpu;
  return cores * sockets * threadsPerCore;
}

/** Storage is claimed with volumes, not with machines: it is 0 here. */
export function resourcesOf(spec: Pick<VmSpec, 'cpu' | 'memory'>): VmResources {
  return { vcpus: vcpusOf(spec), memoryMib: spec.memory.sizeMib, storageGib: 0 };
}
