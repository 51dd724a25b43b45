/** The spec of a virtual machine as an input. Limits are checked in spec.ts. */
import { builder } from '../../graphql/builder.js';
import { VolumeProvisioningEnum } from '../storage/queries.js';
import { VolumeSourceInput } from '../storage/volume-mutations.js';
import * as kinds from './spec-enums.js';

const required = (description: string) => ({ required: true as const, description });

export const CpuInput = builder.inputType('VirtualMachineCpuInput', {
  description: 'Virtual processors: cores x sockets x threads of each core, 256 at most.',
  fields: (t) => ({
    cores: t.int(required('Cores of each socket.')),
    sockets: t.int({ description: 'Sockets; 1 if not given.' }),
    threadsPerCore: t.int({ description: 'Threads of each core; 1 if not given.' }),
    model: t.string({ description: 'Processor model shown to the guest.' }),
  }),
});

export const MemoryInput = builder.inputType('VirtualMachineMemoryInput', {
  description: 'Memory of a virtual machine.',
  fields: (t) => ({
    sizeMib: t.int(required('In MiB, from 256 to 1,048,576.')),
    balloonMinMib: t.int({ description: 'What ballooning leaves at least, in MiB.' }),
    hugePages: t.boolean({ description: 'Back it by huge pages.' }),
  }),
});

export const DiskInput = builder.inputType('VirtualMachineDiskInput', {
  description: 'A disk of a virtual machine.',
  fields: (t) => ({
    name: t.string(required('Unique within the machine.')),
    volumeId: t.id(required('A READY volume of the project; it is attached.')),
    bus: t.field({ type: kinds.DiskBus, description: 'How the guest sees it.' }),
    cache: t.field({ type: kinds.DiskCache, description: 'How writes are cached.' }),
    bootOrder: t.int({ description: 'Its turn when booting.' }),
    iopsLimit: t.int({ description: 'Operations a second at most.' }),
  }),
});

export const NewDiskInput = builder.inputType('VirtualMachineNewDiskInput', {
  description: 'A disk whose volume is made together with the machine.',
  fields: (t) => ({
    name: t.string(required('Unique within the machine.')),
    storagePoolId: t.id(required('Where the volume is to be.')),
    sizeGib: t.int({ description: 'In GiB; as large as its source needs, if not given.' }),
    provisioning: t.field({
      type: VolumeProvisioningEnum,
      description: 'When it takes its space; as the pool says, if not given.',
    }),
    source: t.field({
      type: VolumeSourceInput,
      description: 'What it is filled from; nothing, if not given.',
    }),
    volumeName: t.string({
      description: 'The name of the volume; made of the names of machine and disk, if not given.',
    }),
    bus: t.field({ type: kinds.DiskBus, description: 'How the guest sees it.' }),
    cache: t.field({ type: kinds.DiskCache, description: 'How writes are cached.' }),
    bootOrder: t.int({ description: 'Its turn when booting.' }),
    iopsLimit: t.int({ description: 'Operations a second at most.' }),
  }),
});

export const NicInput = builder.inputType('VirtualMachineNicInput', {
  description: 'A network interface of a virtual machine.',
  fields: (t) => ({
    name: t.string(required('Unique within the machine.')),
    networkId: t.id(required('A network that the project may use.')),
    macAddress: t.field({
      type: 'MACAddress',
      description: 'Its address, if it matters; made up if not given.',
    }),
    ipAddresses: t.field({
      type: ['IPAddress'],
      description:
        'Addresses to ask for: it gets these or is refused. Without any it gets the lowest free one, if the network has a cidr.',
    }),
    securityGroupIds: t.idList({ description: 'The groups whose rules apply.' }),
    model: t.field({ type: kinds.NicModel, description: 'How the guest sees it.' }),
    bandwidthMbps: t.int({ description: 'Mbit/s at most.' }),
  }),
});

const Cdrom = builder.inputType('VirtualMachineCdromInput', {
  description: 'A CD-ROM drive.',
  fields: (t) => ({ imageId: t.id(required('The image in it.')) }),
});

const Display = builder.inputType('VirtualMachineDisplayInput', {
  description: 'The screen of a virtual machine.',
  fields: (t) => ({ type: t.field({ type: kinds.DisplayType, ...required('Its protocol.') }) }),
});

const Boot = builder.inputType('VirtualMachineBootInput', {
  description: 'How a virtual machine boots.',
  fields: (t) => ({
    firmware: t.field({ type: kinds.Firmware, description: 'Its firmware.' }),
    order: t.field({ type: [kinds.BootDevice], description: 'What to boot from, in order.' }),
  }),
});

const Placement = builder.inputType('VirtualMachinePlacementInput', {
  description: 'Where a virtual machine may run.',
  fields: (t) => ({
    clusterId: t.id({ description: 'Only in this cluster.' }),
    requiredNodeIds: t.idList({ description: 'Only on these nodes.' }),
    excludedNodeIds: t.idList({ description: 'Never on these nodes.' }),
    affinityLabels: t.field({
      type: 'JSON',
      description: 'Near machines of the project with these labels.',
    }),
    antiAffinityLabels: t.field({
      type: 'JSON',
      description: 'Away from machines of the project with these labels.',
    }),
    policy: t.field({
      type: kinds.AffinityPolicy,
      description: 'How strict affinity is; HARD if not given.',
    }),
  }),
});

const HaPolicy = builder.inputType('VirtualMachineHaPolicyInput', {
  description: 'What happens when the node of a virtual machine dies.',
  fields: (t) => ({
    restart: t.field({ type: kinds.RestartPolicy, ...required('When it restarts.') }),
    priority: t.int({ description: 'From 1 (first) to 5 (last).' }),
    maxRestarts: t.int({ description: 'Restarts at most.' }),
  }),
});

const Provisioning = builder.inputType('VirtualMachineProvisioningInput', {
  description: 'How the guest is set up when it first boots.',
  fields: (t) => ({
    method: t.field({ type: kinds.ProvisioningMethod, ...required('What reads the user data.') }),
    userData: t.string({ description: 'Up to 64 KiB; never shown again.' }),
  }),
});

export const VmSpecInput = builder.inputType('VirtualMachineSpecInput', {
  description: 'What a virtual machine is made of. What is not given is left to the node.',
  fields: (t) => ({
    cpu: t.field({ type: CpuInput, ...required('Its processors.') }),
    memory: t.field({ type: MemoryInput, ...required('Its memory.') }),
    disks: t.field({ type: [DiskInput], description: 'Its disks.' }),
    nics: t.field({ type: [NicInput], description: 'Its network interfaces.' }),
    cdroms: t.field({ type: [Cdrom], description: 'Its CD-ROM drives.' }),
    display: t.field({ type: Display, description: 'Its screen.' }),
    boot: t.field({ type: Boot, description: 'How it boots.' }),
    placement: t.field({ type: Placement, description: 'Where it may run.' }),
    haPolicy: t.field({ type: HaPolicy, description: 'What happens when its node dies.' }),
    guestOs: t.string({ description: 'The operating system inside.' }),
    provisioning: t.field({ type: Provisioning, description: 'How the guest is set up.' }),
    hotAdd: t.boolean({ description: 'Let processors and memory grow while it runs.' }),
  }),
});
