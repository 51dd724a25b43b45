/** What callers may do to images. */
import { deletedId, expectedVersion, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { TaskEntity } from '../task/queries.js';
import { registerImage, updateImage } from './commands.js';
import { deleteImage } from './delete-command.js';
import { publishImage, unpublishImage } from './publish-commands.js';
import { ImageEntity, ImageFormatEnum } from './queries.js';

const image = {
  entity: ImageEntity,
  description: 'The image as it now is.',
  id: (r: { imageId: string }) => r.imageId,
};
const task = {
  entity: TaskEntity,
  description: 'The task that does it: follow it to see.',
  id: (r: { taskId: string | null }) => r.taskId,
};

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of either mutation
const facts = (t: any) => ({
  description: t.string({ description: 'For people.' }),
  osVariant: t.string({ description: 'Which release of the operating system.' }),
  minCpu: t.int({ description: 'The fewest virtual processors it runs with, from 1 to 256.' }),
  minMemoryMib: t.int({ description: 'The least memory it runs with, in MiB.' }),
  minDiskGib: t.int({ description: 'The smallest disk it fits on, in GiB.' }),
});

mutationField('registerImage', registerImage, {
  description:
    'Has an image fetched into a storage pool: of a project, or for everybody, which takes an administrator. It is AVAILABLE when its task has ended.',
  input: (t) => ({
    projectId: t.id({
      description: 'The project that it belongs to; without one it is for everybody.',
    }),
    poolId: t.id({ required: true, description: 'The storage pool that keeps it.' }),
    name: t.string({
      required: true,
      description: 'Unique in its project; lower-case letters, digits and hyphens.',
    }),
    sourceUrl: t.string({
      required: true,
      description: 'Where it is fetched from: http or https, without a password in it.',
    }),
    checksum: t.string({
      description: 'What the content must add up to: "sha256:" and 64 hexadecimal digits.',
    }),
    format: t.field({
      type: ImageFormatEnum,
      required: true,
      description: 'How the content is written.',
    }),
    osType: t.string({ required: true, description: 'The operating system in it, e.g. linux.' }),
    ...facts(t),
  }),
  entities: { image, task },
});

mutationField('updateImage', updateImage, {
  description: 'Changes what is given of an image and leaves the rest. Its content stays.',
  input: (t) => ({
    id: target(t, 'image'),
    name: t.string({ description: 'Its new name.' }),
    osType: t.string({ description: 'The operating system in it.' }),
    ...facts(t),
    expectedVersion: expectedVersion(t),
  }),
  entities: { image },
});

mutationField('deleteImage', deleteImage, {
  description:
    'Deletes an image and its content, for good. No CD-ROM drive may hold it, and no volume may share its blocks.',
  input: (t) => ({ id: target(t, 'image'), expectedVersion: expectedVersion(t) }),
  entities: { task },
  fields: (t) => ({ deletedImageId: deletedId(t, 'Image', 'deletedImageId') }),
});

mutationField('publishImage', publishImage, {
  description:
    'Lets another project see and use an image; or everybody, which takes an administrator.',
  input: (t) => ({
    id: target(t, 'image'),
    projectId: t.id({ description: 'The project, which you must be able to see.' }),
    everybody: t.boolean({ description: 'All users of all projects instead.' }),
  }),
  entities: { image },
});

mutationField('unpublishImage', unpublishImage, {
  description:
    'Takes back what publishImage did. What was already made of the image stays as it is.',
  input: (t) => ({
    id: target(t, 'image'),
    projectId: t.id({ description: 'The project that shall not see it any more.' }),
    everybody: t.boolean({ description: 'All who see it without belonging to a project instead.' }),
  }),
  entities: { image },
});
