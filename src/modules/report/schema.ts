/** The agents' side of the API: what they report, and what they are told. */

import { builder } from '../../graphql/builder.js';
import { mutationField } from '../../graphql/mutation.js';
import { NodeSpecInput, SystemInfoInput } from '../node/spec-schema.js';
import type { JobVolume } from '../task/kinds.js';
import { TaskOperationEnum } from '../task/queries.js';
import { DesiredStateEnum, PowerStateEnum } from '../virtual-machine/queries.js';
import { VmSpecType } from '../virtual-machine/spec-schema.js';
import { type AssignmentResult, reportNode } from './commands.js';
import type { JobResultPart } from './jobs.js';

const required = (description: string) => ({ required: true as const, description });

const MetricsInput = builder.inputType('NodeMetricsInput', {
  description: 'What a node is doing.',
  fields: (t) => ({
    sampledAt: t.field({
      type: 'DateTime',
      ...required('When it was measured, by the clock of the node.'),
    }),
    cpuPercent: t.float(required('Of all processors, 0 to 100.')),
    memoryUsedMib: t.float(required('In MiB.')),
    memoryTotalMib: t.float(required('In MiB.')),
    diskUsedGib: t.float(required('In GiB.')),
    diskTotalGib: t.float(required('In GiB.')),
    diskReadBytesPerSecond: t.float(required('Bytes a second.')),
    diskWriteBytesPerSecond: t.float(required('Bytes a second.')),
    networkReceiveBytesPerSecond: t.float(required('Bytes a second.')),
    networkTransmitBytesPerSecond: t.float(required('Bytes a second.')),
    loadAverage1m: t.float(required('Runnable processes, over one minute.')),
    uptimeSeconds: t.float(required('Since the node started.')),
  }),
});

const OperationErrorInput = builder.inputType('OperationErrorInput', {
  description: 'An operation that failed.',
  fields: (t) => ({
    generation: t.int(required('The generation that asked for it.')),
    reason: t.string(required('Why, for people.')),
  }),
});

const ObservedInput = builder.inputType('ObservedVirtualMachineInput', {
  description: 'A virtual machine as its agent sees it.',
  fields: (t) => ({
    virtualMachineId: t.id(required('Which.')),
    powerState: t.field({ type: PowerStateEnum, ...required('Its state.') }),
    generation: t.int(required('The newest generation that is finished, done or failed.')),
    progressPercent: t.float({
      description: 'How far the running operation is; absent: none runs.',
    }),
    error: t.field({ type: OperationErrorInput, description: 'The operation that failed last.' }),
    ipAddresses: t.field({ type: ['IPAddress'], description: 'What its guest reports.' }),
    guestAgentRunning: t.boolean({ description: 'Whether the agent inside the guest answers.' }),
    cpuPercent: t.float({ description: 'Of its own processors, 0 to 100.' }),
    memoryUsedMib: t.float({ description: 'In MiB.' }),
    uptimeSeconds: t.float({ description: 'Since it started.' }),
  }),
});

const Assignment = builder.objectRef<AssignmentResult>('Assignment').implement({
  description: 'What an agent is to do about one virtual machine.',
  fields: (t) => ({
    virtualMachineId: t.exposeID('virtualMachineId', { description: 'Which.' }),
    name: t.exposeString('name', { description: 'Its name.' }),
    desiredState: t.field({
      type: DesiredStateEnum,
      description: 'What should be.',
      resolve: (a) => a.desiredState,
    }),
    operation: t.field({
      type: TaskOperationEnum,
      nullable: true,
      description: 'How to get there; null: by whatever it takes.',
      resolve: (a) => a.operation,
    }),
    generation: t.exposeInt('generation', { description: 'To be reported when it is finished.' }),
    force: t.exposeBoolean('force', { description: 'Without grace.' }),
    graceMs: t.exposeInt('graceMs', {
      description: 'How long a guest may take to shut down, in milliseconds.',
    }),
    vcpus: t.exposeInt('vcpus', { description: 'Its virtual processors.' }),
    memoryMib: t.exposeInt('memoryMib', { description: 'Its memory in MiB.' }),
    spec: t.field({
      type: VmSpecType,
      nullable: true,
      description: 'What it is made of; null for a machine that was carried over without it.',
      resolve: (a) => a.spec,
    }),
    guestOs: t.exposeString('guestOs', {
      nullable: true,
      description: 'The operating system inside.',
    }),
  }),
});

const JobVolumeReportInput = builder.inputType('JobVolumeReportInput', {
  description: 'A volume that a job has made or changed.',
  fields: (t) => ({
    volumeId: t.id(required('Which.')),
    path: t.string({ description: 'Where its data is, in the words of the pool.' }),
    devicePath: t.string({ description: 'The device on the node, when it is attached.' }),
    actualSizeBytes: t.field({
      type: 'BigInt',
      description: 'What it takes in the pool, in bytes.',
    }),
  }),
});

const JobOutcomeInput = builder.inputType('JobOutcomeInput', {
  description: 'What a job has made.',
  fields: (t) => ({
    volumes: t.field({ type: [JobVolumeReportInput], description: 'The volumes.' }),
    sizeBytes: t.field({ type: 'BigInt', description: 'Of the snapshot or image, in bytes.' }),
    capacityBytes: t.field({ type: 'BigInt', description: 'Of the pool, in bytes.' }),
    usedBytes: t.field({ type: 'BigInt', description: 'What is in use of the pool, in bytes.' }),
    path: t.string({ description: 'Where the image is, in the words of the pool.' }),
  }),
});

const JobStatusEnum = builder.enumType('JobStatus', {
  description: 'How far an agent is with a job.',
  values: {
    RUNNING: { description: 'At work.' },
    DONE: { description: 'Done.' },
    FAILED: { description: 'Could not be done; what had been begun is cleared away.' },
    CANCELLED: { description: 'Stopped on request; what had been begun is cleared away.' },
  },
});

const JobReportInput = builder.inputType('JobReportInput', {
  description: 'A job as its agent sees it.',
  fields: (t) => ({
    taskId: t.id(required('Which.')),
    status: t.field({ type: JobStatusEnum, ...required('How far it is.') }),
    progressPercent: t.float({ description: 'From 0 to 100, while it runs.' }),
    reason: t.string({ description: 'Why it failed, for people.' }),
    result: t.field({ type: JobOutcomeInput, description: 'What it has made, when it is done.' }),
  }),
});

const JobVolumeType = builder.objectRef<JobVolume>('JobVolume').implement({
  description: 'A volume that a job is about.',
  fields: (t) => ({
    volumeId: t.exposeID('volumeId', { description: 'Which.' }),
    storagePoolId: t.exposeID('storagePoolId', { description: 'Where it is.' }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', description: 'Its size, in bytes.' }),
    provisioning: t.exposeString('provisioning', { description: 'When it takes its space.' }),
    sourceType: t.exposeString('sourceType', {
      nullable: true,
      description: 'What it is filled from: VOLUME, SNAPSHOT, IMAGE; null: nothing.',
    }),
    sourceId: t.exposeID('sourceId', { nullable: true, description: 'The id of that.' }),
    linked: t.exposeBoolean('linked', {
      description: 'Share the blocks of the source instead of copying them.',
    }),
  }),
});

const unused = (description: string) => ({ nullable: true as const, description });

const JobType = builder.objectRef<JobResultPart>('Job').implement({
  description: 'What an agent is to do beside bringing virtual machines to their desired state.',
  fields: (t) => ({
    taskId: t.exposeID('taskId', { description: 'Makes a repeated job the same job.' }),
    operation: t.field({
      type: TaskOperationEnum,
      description: 'What to do.',
      resolve: (job) => job.operation,
    }),
    cancel: t.exposeBoolean('cancel', { description: 'Stop it and report it as CANCELLED.' }),
    virtualMachineId: t.exposeID('virtualMachineId', unused('The machine.')),
    snapshotId: t.exposeID('snapshotId', unused('The snapshot.')),
    targetNodeId: t.exposeID('targetNodeId', unused('Where it goes.')),
    imageId: t.exposeID('imageId', unused('The image.')),
    storagePoolId: t.exposeID('storagePoolId', unused('The pool.')),
    sourceUrl: t.exposeString('sourceUrl', unused('Where the image comes from.')),
    checksum: t.exposeString('checksum', unused('What the image must add up to.')),
    format: t.exposeString('format', unused('The format of the image.')),
    poolConfiguration: t.exposeString(
      'poolConfiguration',
      unused(
        'How each of its pools is reached, secrets included: a JSON array of objects with storagePoolId, poolType and the fields of the backend. Only agents see it.',
      ),
    ),
    volumes: t.field({
      type: [JobVolumeType],
      description: 'The volumes.',
      resolve: (job) => [...(job.volumes ?? [])],
    }),
  }),
});

mutationField('reportNode', reportNode, {
  description:
    'For agents: says what is on a node, and answers what should be. To be called every few seconds; losing a call loses nothing.',
  input: (t) => ({
    nodeId: t.id(required("The agent's own node.")),
    agentInstance: t.string(required('A UUID, new for each start of the agent.')),
    sequence: t.field({ type: 'BigInt', ...required('Rises with each report of an instance.') }),
    spec: t.field({
      type: NodeSpecInput,
      description: 'The hardware; needed once, then when it changes.',
    }),
    systemInfo: t.field({
      type: SystemInfoInput,
      description: 'The software; needed once, then when it changes.',
    }),
    metrics: t.field({ type: MetricsInput, ...required('What the node is doing.') }),
    virtualMachines: t.field({
      type: [ObservedInput],
      ...required('All its virtual machines; one that is missing is taken not to run.'),
    }),
    jobs: t.field({
      type: [JobReportInput],
      description: 'Its jobs, until an answer does not list them any more.',
    }),
  }),
  fields: (t) => ({
    accepted: t.boolean({
      description: 'False: overtaken by a newer report.',
      resolve: ({ result }) => result.accepted,
    }),
    assignments: t.field({
      type: [Assignment],
      description: 'What differs from what should be.',
      resolve: ({ result }) => [...result.assignments],
    }),
    jobs: t.field({
      type: [JobType],
      description: 'All its jobs that have not ended; what is not listed may be forgotten.',
      resolve: ({ result }) => [...result.jobs],
    }),
    unknownVirtualMachineIds: t.idList({
      description: 'Machines that do not belong on the node: stop and forget them.',
      resolve: ({ result }) => [...result.unknown],
    }),
    reportIntervalMs: t.int({
      description: 'When to report again, in milliseconds.',
      resolve: ({ result }) => result.reportIntervalMs,
    }),
  }),
});
