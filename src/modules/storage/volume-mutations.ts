/** What callers may do to volumes. Attaching and detaching belong to virtual machines. */
import { builder } from '../../graphql/builder.js';
import { deletedId, expectedVersion, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { TaskEntity } from '../task/queries.js';
import { deleteVolume } from './delete-command.js';
import { growVolume } from './grow-command.js';
import { QosInput } from './pool-inputs.js';
import { VolumeEntity, VolumeProvisioningEnum } from './queries.js';
import { cloneVolume, createVolume, updateVolume } from './volume-commands.js';
import { AccessModeEnum } from './volume-spec-schema.js';

const volume = {
  entity: VolumeEntity,
  description: 'The volume as it now is.',
  id: (r: { volumeId: string }) => r.volumeId,
};
const task = {
  entity: TaskEntity,
  description: 'The task that does it: follow it to see.',
  id: (r: { taskId: string | null }) => r.taskId,
};

export const VolumeSourceInput = builder.inputType('VolumeSourceInput', {
  description:
    'What a volume is filled from: an image, another volume, or a volume as a snapshot holds it.',
  fields: (t) => ({
    imageId: t.id({ description: 'An AVAILABLE image that the project may use.' }),
    volumeId: t.id({
      description: 'A READY volume of the project; with snapshotId, one that its machine has.',
    }),
    snapshotId: t.id({ description: "A snapshot of the volume's machine." }),
    linked: t.boolean({
      description:
        'Share the blocks of the source instead of copying them: quick and small, and the source must stay.',
    }),
  }),
});

const CloneModeEnum = builder.enumType('VolumeCloneMode', {
  description: 'How a volume is copied.',
  values: {
    FULL: { description: 'Block by block: the copy stands alone.' },
    LINKED: { description: 'It shares the blocks of its source, which must stay.' },
  },
});

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of each mutation
const sizeFields = (t: any, otherwise: string) => ({
  sizeGib: t.int({ description: `Its size in GiB, from 1 to 65,536; or give sizeBytes. ${otherwise}` }), // biome-ignore format: a line
  sizeBytes: t.field({
    type: 'BigInt',
    description: 'Its size in bytes, a multiple of 512 from 1 MiB on; or give sizeGib.',
  }),
});
const BY_SOURCE = 'Without either, as large as its source needs.';

mutationField('createVolume', createVolume, {
  description:
    'Creates a volume, empty or filled from an image, a volume or a snapshot. It is READY when its task has ended.',
  input: (t) => ({
    projectId: t.id({ required: true, description: 'The project that it belongs to.' }),
    poolId: t.id({ required: true, description: 'The storage pool that it is in.' }),
    name: t.string({
      required: true,
      description: 'Unique in the pool; lower-case letters, digits and hyphens.',
    }),
    ...sizeFields(t, BY_SOURCE),
    provisioning: t.field({
      type: VolumeProvisioningEnum,
      description: 'When it takes its space; as the pool says if not given.',
    }),
    accessMode: t.field({
      type: AccessModeEnum,
      description: 'How many virtual machines may use it; as the pool says if not given.',
    }),
    qos: t.field({ type: QosInput, description: 'Its limits.' }),
    labels: t.field({ type: 'JSON', description: 'Key and value pairs of your own.' }),
    deletionProtected: t.boolean({
      description: 'Refuse to delete it until this is switched off.',
    }),
    source: t.field({ type: VolumeSourceInput, description: 'What it is filled from.' }),
  }),
  entities: { volume, task },
});

mutationField('cloneVolume', cloneVolume, {
  description: 'Copies a READY volume within its project.',
  input: (t) => ({
    id: target(t, 'volume'),
    name: t.string({ required: true, description: 'The name of the copy; unique in its pool.' }),
    mode: t.field({ type: CloneModeEnum, required: true, description: 'How it is copied.' }),
    poolId: t.id({ description: 'Where a full copy goes; to the same pool if not given.' }),
    ...sizeFields(t, BY_SOURCE),
    provisioning: t.field({
      type: VolumeProvisioningEnum,
      description: 'When the copy takes its space; as the pool says if not given.',
    }),
    labels: t.field({ type: 'JSON', description: 'Labels of the copy.' }),
  }),
  entities: { volume: { ...volume, description: 'The copy.' }, task },
});

mutationField('growVolume', growVolume, {
  description: 'Makes a volume larger, attached or not. Volumes never shrink.',
  input: (t) => ({ id: target(t, 'volume'), ...sizeFields(t, 'More than it has.') }),
  entities: { volume, task },
});

mutationField('updateVolume', updateVolume, {
  description: 'Changes what is given of a volume and leaves the rest.',
  input: (t) => ({
    id: target(t, 'volume'),
    name: t.string({ description: 'Its new name.' }),
    labels: t.field({ type: 'JSON', description: 'All its labels; those that are not named go.' }),
    qos: t.field({ type: QosInput, description: 'All its limits.' }),
    deletionProtected: t.boolean({ description: 'Whether every path refuses to delete it.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { volume },
});

mutationField('deleteVolume', deleteVolume, {
  description:
    'Deletes a volume and its content, for good. It must not be attached, and neither snapshots nor linked copies may need it.',
  input: (t) => ({
    id: target(t, 'volume'),
    force: t.boolean({
      description:
        'For administrators: when no node that has the pool can do it, forget the volume and free what it claims, at once and without a task. Its content stays on the storage for you to clear away. Where a node can do it, it does.',
    }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { task },
  fields: (t) => ({ deletedVolumeId: deletedId(t, 'Volume', 'deletedVolumeId') }),
});
