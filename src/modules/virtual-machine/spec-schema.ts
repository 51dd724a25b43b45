/** The typed spec of virtual machines in the API, as answers. Stored UUIDs become public ids; what was not set is null. */

import { builder } from '../../graphql/builder.js';
import { encodeGlobalId } from '../../ids.js';
import type { VmResources, VmSpec } from './spec.js';
import * as kinds from './spec-enums.js';

type Part<K extends keyof VmSpec> = NonNullable<VmSpec[K]>;
type Disk = Part<'disks'>[number];
type Nic = Part<'nics'>[number];

const ids = (type: string, list: readonly string[] | undefined) =>
  list?.map((id) => encodeGlobalId(type, id)) ?? [];

const Cpu = builder.objectRef<VmSpec['cpu']>('VirtualMachineCpu').implement({
  description: 'Virtual processors: cores x sockets x threads of each core.',
  fields: (t) => ({
    cores: t.exposeInt('cores', { description: 'Cores of each socket.' }),
    sockets: t.int({ description: 'Sockets.', resolve: (c) => c.sockets ?? 1 }),
    threadsPerCore: t.int({
      description: 'Threads of each core.',
      resolve: (c) => c.threadsPerCore ?? 1,
    }),
    model: t.string({
      nullable: true,
      description: 'Processor model shown to the guest; null: as the node has it.',
      resolve: (c) => c.model ?? null,
    }),
  }),
});

const Memory = builder.objectRef<VmSpec['memory']>('VirtualMachineMemory').implement({
  description: 'Memory of a virtual machine.',
  fields: (t) => ({
    sizeMib: t.exposeInt('sizeMib', { description: 'In MiB.' }),
    balloonMinMib: t.int({
      nullable: true,
      description: 'What ballooning leaves at least, in MiB.',
      resolve: (m) => m.balloonMinMib ?? null,
    }),
    hugePages: t.boolean({
      description: 'Whether it is backed by huge pages.',
      resolve: (m) => m.hugePages ?? false,
    }),
  }),
});

const DiskType = builder.objectRef<Disk>('VirtualMachineDisk').implement({
  description: 'A disk of a virtual machine.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique within the machine.' }),
    volumeId: t.id({
      description: 'The volume behind it.',
      resolve: (d) => encodeGlobalId('Volume', d.volumeId),
    }),
    bus: t.field({
      type: kinds.DiskBus,
      description: 'How the guest sees it.',
      resolve: (d) => d.bus ?? 'VIRTIO_BLK',
    }),
    cache: t.field({
      type: kinds.DiskCache,
      description: 'How writes are cached.',
      resolve: (d) => d.cache ?? 'NONE',
    }),
    bootOrder: t.int({
      nullable: true,
      description: 'Its turn when booting; null: never.',
      resolve: (d) => d.bootOrder ?? null,
    }),
    iopsLimit: t.int({
      nullable: true,
      description: 'Operations a second at most; null: no limit.',
      resolve: (d) => d.iopsLimit ?? null,
    }),
  }),
});

const NicType = builder.objectRef<Nic>('VirtualMachineNic').implement({
  description: 'What was asked for as a network interface; `networkInterfaces` has what it got.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique within the machine.' }),
    networkId: t.id({
      description: 'The network that it is on.',
      resolve: (n) => encodeGlobalId('VirtualNetwork', n.networkId),
    }),
    macAddress: t.field({
      type: 'MACAddress',
      nullable: true,
      description: 'The address that was asked for; null: none in particular.',
      resolve: (n) => n.macAddress ?? null,
    }),
    ipAddresses: t.field({
      type: ['IPAddress'],
      description: 'Addresses that were asked for.',
      resolve: (n) => n.ipAddresses ?? [],
    }),
    securityGroupIds: t.idList({
      description: 'The groups whose rules apply.',
      resolve: (n) => ids('SecurityGroup', n.securityGroupIds),
    }),
    model: t.field({
      type: kinds.NicModel,
      description: 'How the guest sees it.',
      resolve: (n) => n.model ?? 'VIRTIO',
    }),
    bandwidthMbps: t.int({
      nullable: true,
      description: 'Mbit/s at most; null: no limit.',
      resolve: (n) => n.bandwidthMbps ?? null,
    }),
  }),
});

const Cdrom = builder.objectRef<Part<'cdroms'>[number]>('VirtualMachineCdrom').implement({
  description: 'A CD-ROM drive with an image in it.',
  fields: (t) => ({
    imageId: t.id({
      description: 'The image.',
      resolve: (c) => encodeGlobalId('Image', c.imageId),
    }),
  }),
});

const Boot = builder.objectRef<Part<'boot'>>('VirtualMachineBoot').implement({
  description: 'How a virtual machine boots.',
  fields: (t) => ({
    firmware: t.field({
      type: kinds.Firmware,
      description: 'Its firmware.',
      resolve: (b) => b.firmware ?? 'BIOS',
    }),
    order: t.field({
      type: [kinds.BootDevice],
      description: 'What to boot from, in order.',
      resolve: (b) => b.order ?? ['DISK' as const],
    }),
  }),
});

const PlacementType = builder.objectRef<Part<'placement'>>('VirtualMachinePlacement').implement({
  description: 'Where a virtual machine may run.',
  fields: (t) => ({
    clusterId: t.id({
      nullable: true,
      description: 'Only in this cluster.',
      resolve: (p) => (p.clusterId ? encodeGlobalId('Cluster', p.clusterId) : null),
    }),
    requiredNodeIds: t.idList({
      description: 'Only on these nodes, if any are given.',
      resolve: (p) => ids('HypervisorNode', p.requiredNodeIds),
    }),
    excludedNodeIds: t.idList({
      description: 'Never on these nodes.',
      resolve: (p) => ids('HypervisorNode', p.excludedNodeIds),
    }),
    affinityLabels: t.field({
      type: 'JSON',
      nullable: true,
      description: 'Near machines of the project with these labels.',
      resolve: (p) => p.affinityLabels ?? null,
    }),
    antiAffinityLabels: t.field({
      type: 'JSON',
      nullable: true,
      description: 'Away from machines of the project with these labels.',
      resolve: (p) => p.antiAffinityLabels ?? null,
    }),
    policy: t.field({
      type: kinds.AffinityPolicy,
      description: 'How strict affinity is.',
      resolve: (p) => p.policy ?? 'HARD',
    }),
  }),
});

const HaPolicy = builder.objectRef<Part<'haPolicy'>>('VirtualMachineHaPolicy').implement({
  description: 'What happens when the node of a virtual machine dies.',
  fields: (t) => ({
    restart: t.field({
      type: kinds.RestartPolicy,
      description: 'When it restarts.',
      resolve: (h) => h.restart,
    }),
    priority: t.int({
      description: 'From 1 (first) to 5 (last).',
      resolve: (h) => h.priority ?? 3,
    }),
    maxRestarts: t.int({
      nullable: true,
      description: 'Restarts at most; null: no limit.',
      resolve: (h) => h.maxRestarts ?? null,
    }),
  }),
});

/** User data may hold passwords and keys: it goes to the guest and is never read back. */
const Provisioning = builder
  .objectRef<Part<'provisioning'>>('VirtualMachineProvisioning')
  .implement({
    description:
      'How the guest is set up when it first boots. The user data itself is never shown.',
    fields: (t) => ({
      method: t.field({
        type: kinds.ProvisioningMethod,
        description: 'What reads the user data.',
        resolve: (p) => p.method,
      }),
      hasUserData: t.boolean({
        description: 'Whether user data was given.',
        resolve: (p) => Boolean(p.userData),
      }),
    }),
  });

const Display = builder.objectRef<Part<'display'>>('VirtualMachineDisplay').implement({
  description: 'The screen of a virtual machine.',
  fields: (t) => ({
    type: t.field({
      type: kinds.DisplayType,
      description: 'Its protocol.',
      resolve: (d) => d.type,
    }),
  }),
});

export const VmSpecType = builder.objectRef<VmSpec>('VirtualMachineSpec').implement({
  description: 'What a virtual machine is made of.',
  fields: (t) => ({
    cpu: t.field({ type: Cpu, description: 'Its processors.', resolve: (s) => s.cpu }),
    memory: t.field({ type: Memory, description: 'Its memory.', resolve: (s) => s.memory }),
    disks: t.field({ type: [DiskType], description: 'Its disks.', resolve: (s) => s.disks ?? [] }),
    nics: t.field({
      type: [NicType],
      description: 'The network interfaces that were asked for.',
      resolve: (s) => s.nics ?? [],
    }),
    cdroms: t.field({
      type: [Cdrom],
      description: 'Its CD-ROM drives.',
      resolve: (s) => s.cdroms ?? [],
    }),
    display: t.field({
      type: Display,
      nullable: true,
      description: 'Its screen; null: as the node does it.',
      resolve: (s) => s.display ?? null,
    }),
    boot: t.field({
      type: Boot,
      nullable: true,
      description: 'How it boots; null: as the node does it.',
      resolve: (s) => s.boot ?? null,
    }),
    placement: t.field({
      type: PlacementType,
      nullable: true,
      description: 'Where it may run; null: anywhere.',
      resolve: (s) => s.placement ?? null,
    }),
    haPolicy: t.field({
      type: HaPolicy,
      nullable: true,
      description: 'What happens when its node dies; null: as the cluster does it.',
      resolve: (s) => s.haPolicy ?? null,
    }),
    guestOs: t.string({
      nullable: true,
      description: 'The operating system inside.',
      resolve: (s) => s.guestOs ?? null,
    }),
    provisioning: t.field({
      type: Provisioning,
      nullable: true,
      description: 'How the guest is set up.',
      resolve: (s) => s.provisioning ?? null,
    }),
    hotAdd: t.boolean({
      description: 'Whether processors and memory may grow while it runs.',
      resolve: (s) => s.hotAdd ?? false,
    }),
  }),
});

export const VmResourcesType = builder.objectRef<VmResources>('VirtualMachineResources').implement({
  description: 'What a virtual machine takes from quota and node.',
  fields: (t) => ({
    vcpus: t.exposeInt('vcpus', { description: 'Virtual processors.' }),
    memoryMib: t.exposeInt('memoryMib', { description: 'Memory in MiB.' }),
  }),
});
