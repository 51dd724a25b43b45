/** Images in the API. */
import type { ImageShare } from '../../gen/client/client.js';
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, rootOne } from '../../graphql/fields.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import { StoragePoolEntity } from '../storage/queries.js';
import { StoragePoolRef } from '../storage/schema.js';
import { tasks } from '../task/queries.js';
import { TaskRef } from '../task/schema.js';
import { ImageEntity, ImageFormatEnum, ImagePhaseEnum, images } from './queries.js';
import { MAX_SHARES } from './rules.js';

const ShareRef = builder.prismaObject('ImageShare', {
  description: 'A project that an image is published to.',
  select: { imageId: true, projectId: true },
  fields: (t) => ({
    project: relationOne(t, 'project', ProjectEntity, 'The project.'),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Since when.' }),
  }),
});

export const ImageRef = builder.prismaNode('Image', {
  id: { field: 'id' },
  description: 'What the disk of a virtual machine starts from, or what it is installed from.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', {
      description: 'Unique in its project, or among the images without a project.',
    }),
    description: t.exposeString('description', { description: 'For people.' }),
    osType: t.exposeString('osType', { description: 'The operating system in it, e.g. linux.' }),
    osVariant: t.exposeString('osVariant', {
      description: 'Which release of the operating system; empty when that is not known.',
    }),
    format: t.expose('format', { type: ImageFormatEnum, description: 'How it is written.' }),
    phase: t.expose('phase', { type: ImagePhaseEnum, description: 'Its state.' }),
    sizeBytes: t.expose('sizeBytes', { type: 'BigInt', description: 'Its size, in bytes.' }),
    path: t.exposeString('path', {
      description: 'Where it is in its storage pool; empty until its content is there.',
    }),
    sourceUrl: t.exposeString('sourceUrl', {
      description: 'Where its content comes from; empty when it was put there by other means.',
    }),
    checksum: t.exposeString('checksum', {
      description: 'What its content must add up to, e.g. sha256:...; empty: it is not checked.',
    }),
    errorMessage: t.exposeString('errorMessage', {
      description: 'What is wrong with it; empty when nothing is.',
    }),
    minCpu: t.exposeInt('minCpu', { description: 'The fewest virtual processors it runs with.' }),
    minMemoryMib: t.exposeInt('minMemoryMib', {
      description: 'The least memory it runs with, in MiB.',
    }),
    minDiskGib: t.exposeInt('minDiskGib', {
      description: 'The smallest disk it fits on, in GiB.',
    }),
    public: t.exposeBoolean('public', {
      description: 'Whether users outside its project see it too.',
    }),
    pool: relationOne(
      t,
      'pool',
      StoragePoolEntity,
      'The storage pool that it is in; null when it is in none, or in one that is not visible to you.',
    ),
    project: relationOne(
      t,
      'project',
      ProjectEntity,
      'The project that it belongs to; null when it belongs to none, or to one that is not visible to you.',
    ),
    sharedWith: t.field({
      type: [ShareRef],
      description: `The projects that it is published to, as far as you may see them; ${MAX_SHARES} at most.`,
      // Selected as visibility selects it, without a condition: Prisma reads a relation once, or in a further statement.
      extensions: {
        pothosPrismaSelect: (
          _args: object,
          _context: object,
          nested: (query: object) => object,
        ) => ({
          select: { shares: nested({ select: { projectId: true, createdAt: true } }) },
        }),
      },
      resolve: (image, _args, { viewer }) =>
        ((image as unknown as { shares?: ImageShare[] }).shares ?? [])
          .filter(
            ({ projectId }) => viewer && ProjectEntity.visibility.sees(viewer, { id: projectId }),
          )
          .sort((one, other) => one.createdAt.getTime() - other.createdAt.getTime()),
    }),
    tasks: relationList(t, 'tasks', tasks, 'What was and is done to it, newest first.'),
    ...editable(t),
  }),
});

viewerCan(ImageRef, ImageEntity, { Update: 'image:update', Delete: 'image:delete' });

builder.prismaObjectField(TaskRef, 'image', (t) =>
  relationOne(t, 'image', ImageEntity, 'The image that it is about, while that exists.'),
);

builder.prismaObjectField(ProjectRef, 'images', (t) =>
  relationList(t, 'images', images, 'Images of its own, without those that are for everybody.'),
);
builder.prismaObjectField(StoragePoolRef, 'images', (t) =>
  relationList(t, 'images', images, 'The images in it that you may see.'),
);

rootOne('image', ImageEntity, 'image');
rootList('images', images, 'The images that you may see.');
