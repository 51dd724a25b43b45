/** The typed JSON of hypervisor nodes in the API: hardware, software, capacity, conditions; as answers and as an agent's report. */
import { builder } from '../../graphql/builder.js';
import type { Capacity, Condition } from './rules.js';
import type { NodeSpec, SystemInfo } from './spec.js';

export const ConditionStatus = builder.enumType('ConditionStatus', {
  description: 'Whether a condition holds.',
  values: {
    TRUE: { description: 'It holds.' },
    FALSE: { description: 'It does not hold.' },
    UNKNOWN: { description: 'Nobody knows.' },
  },
});

export const ConditionType = builder.objectRef<Condition>('Condition').implement({
  description: 'One thing that is known of the health of an object.',
  fields: (t) => ({
    type: t.exposeString('type', { description: 'What it is about, e.g. Ready.' }),
    status: t.field({
      type: ConditionStatus,
      description: 'Whether it holds.',
      resolve: (c) => c.status,
    }),
    reason: t.exposeString('reason', { description: 'Why, as one word for programs.' }),
    message: t.exposeString('message', { description: 'Why, for people.' }),
    changedAt: t.field({
      type: 'DateTime',
      description: 'Since when the status is what it is.',
      resolve: (c) => new Date(c.changedAt),
    }),
  }),
});

export const CapacityType = builder.objectRef<Capacity>('Capacity').implement({
  description: 'An amount of what virtual machines take from a node.',
  fields: (t) => ({
    vcpus: t.exposeInt('vcpus', { description: 'Virtual processors.' }),
    memoryMib: t.exposeInt('memoryMib', { description: 'Memory in MiB.' }),
    storageGib: t.exposeInt('storageGib', { description: 'Local storage in GiB.' }),
  }),
});

export const DiskMedium = builder.enumType('DiskMedium', {
  description: 'What a disk of a node is.',
  values: {
    HDD: { description: 'Rotating.' },
    SSD: { description: 'Flash on SATA or SAS.' },
    NVME: { description: 'Flash on PCIe.' },
  },
});

type Cpu = NodeSpec['cpu'];
type Disk = NodeSpec['storage'][number];
type Port = NodeSpec['networks'][number];

const CpuType = builder.objectRef<Cpu>('NodeCpu').implement({
  description: 'The processors of a node.',
  fields: (t) => ({
    model: t.exposeString('model', { description: 'As the maker names it.' }),
    sockets: t.exposeInt('sockets', { description: 'Processors.' }),
    coresPerSocket: t.exposeInt('coresPerSocket', { description: 'Cores of each.' }),
    threadsPerCore: t.exposeInt('threadsPerCore', { description: 'Threads of each core.' }),
    frequencyMhz: t.exposeInt('frequencyMhz', {
      description: 'Nominal frequency in MHz; 0: unknown.',
    }),
    features: t.exposeStringList('features', { description: 'Instruction set features.' }),
  }),
});

const DiskType = builder.objectRef<Disk>('NodeDisk').implement({
  description: 'A disk of a node.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the operating system names it.' }),
    type: t.field({ type: DiskMedium, description: 'What it is.', resolve: (d) => d.type }),
    sizeGib: t.exposeInt('sizeGib', { description: 'Size in GiB.' }),
  }),
});

const PortType = builder.objectRef<Port>('NodeNetworkPort').implement({
  description: 'A network port of a node.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'As the operating system names it.' }),
    macAddress: t.field({
      type: 'MACAddress',
      description: 'Its address.',
      resolve: (p) => p.macAddress,
    }),
    speedMbps: t.int({
      nullable: true,
      description: 'Speed in Mbit/s; null: unknown.',
      resolve: (p) => p.speedMbps ?? null,
    }),
    mtu: t.exposeInt('mtu', { description: 'Largest frame in bytes.' }),
  }),
});

const MemoryType = builder.objectRef<NodeSpec['memory']>('NodeMemory').implement({
  description: 'The memory of a node.',
  fields: (t) => ({ totalMib: t.exposeInt('totalMib', { description: 'In MiB.' }) }),
});

export const NodeSpecType = builder.objectRef<NodeSpec>('NodeSpec').implement({
  description: 'The hardware of a node, as its agent reports it.',
  fields: (t) => ({
    cpu: t.field({ type: CpuType, description: 'Its processors.', resolve: (s) => s.cpu }),
    memory: t.field({ type: MemoryType, description: 'Its memory.', resolve: (s) => s.memory }),
    storage: t.field({
      type: [DiskType],
      description: 'Its disks.',
      resolve: (s) => s.storage ?? [],
    }),
    networks: t.field({
      type: [PortType],
      description: 'Its network ports.',
      resolve: (s) => s.networks ?? [],
    }),
  }),
});

export const SystemInfoType = builder.objectRef<SystemInfo>('NodeSystemInfo').implement({
  description: 'The software of a node, as its agent reports it.',
  fields: (t) => ({
    os: t.exposeString('os', { description: 'Operating system.' }),
    kernel: t.exposeString('kernel', { description: 'Kernel release.' }),
    architecture: t.exposeString('architecture', { description: 'Processor architecture.' }),
    hypervisorVersion: t.exposeString('hypervisorVersion', {
      description: 'What runs the virtual machines.',
    }),
    agentVersion: t.exposeString('agentVersion', { description: 'Version of the agent.' }),
  }),
});

const required = (description: string) => ({ required: true as const, description });

const CpuInput = builder.inputType('NodeCpuInput', {
  description: 'The processors of a node.',
  fields: (t) => ({
    model: t.string(required('As the maker names it.')),
    sockets: t.int(required('Processors.')),
    coresPerSocket: t.int(required('Cores of each.')),
    threadsPerCore: t.int(required('Threads of each core.')),
    frequencyMhz: t.int(required('Nominal frequency in MHz; 0: unknown.')),
    features: t.stringList(required('Instruction set features.')),
  }),
});

const DiskInput = builder.inputType('NodeDiskInput', {
  description: 'A disk of a node.',
  fields: (t) => ({
    name: t.string(required('As the operating system names it.')),
    type: t.field({ type: DiskMedium, ...required('What it is.') }),
    sizeGib: t.int(required('Size in GiB.')),
  }),
});

const PortInput = builder.inputType('NodeNetworkPortInput', {
  description: 'A network port of a node.',
  fields: (t) => ({
    name: t.string(required('As the operating system names it.')),
    macAddress: t.field({ type: 'MACAddress', ...required('Its address.') }),
    speedMbps: t.int({ description: 'Speed in Mbit/s, if known.' }),
    mtu: t.int(required('Largest frame in bytes.')),
  }),
});

const MemoryInput = builder.inputType('NodeMemoryInput', {
  description: 'The memory of a node.',
  fields: (t) => ({ totalMib: t.int(required('In MiB.')) }),
});

export const NodeSpecInput = builder.inputType('NodeSpecInput', {
  description: 'The hardware of a node.',
  fields: (t) => ({
    cpu: t.field({ type: CpuInput, ...required('Its processors.') }),
    memory: t.field({ type: MemoryInput, ...required('Its memory.') }),
    storage: t.field({ type: [DiskInput], ...required('Its disks.') }),
    networks: t.field({ type: [PortInput], ...required('Its network ports.') }),
  }),
});

export const SystemInfoInput = builder.inputType('NodeSystemInfoInput', {
  description: 'The software of a node.',
  fields: (t) => ({
    os: t.string(required('Operating system.')),
    kernel: t.string(required('Kernel release.')),
    architecture: t.string(required('Processor architecture.')),
    hypervisorVersion: t.string(required('What runs the virtual machines.')),
    agentVersion: t.string(required('Version of the agent.')),
  }),
});
