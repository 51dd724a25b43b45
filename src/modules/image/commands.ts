/** Registering, editing and deleting images. One without a project is for everybody: administrators make it. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { findEntity, requireVisible } from '../../core/entity.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { usageOf } from '../../core/usage.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  ConflictError,
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  type Usage,
  ValidationError,
} from '../../errors.js';
import type { Image, StoragePool } from '../../gen/client/client.js';
import { ImageFormat } from '../../gen/client/enums.js';
import { ProjectEntity } from '../project/queries.js';
import { pickExecutor } from '../storage/executor.js';
import { decidePool } from '../storage/pool-rules.js';
import { StoragePoolEntity } from '../storage/queries.js';
import { beginJob } from '../task/begin.js';
import { requireIdle } from '../task/idle.js';
import { removeImage } from './kinds.js';
import { ImageEntity } from './queries.js';
import { decideImage, faultOfSource } from './rules.js';

const resourceType = 'Image';
const subject = (input: { id: string }) => ({ entity: ImageEntity, id: input.id });

const SHA256 = /^sha256:[0-9a-f]{64}$/;
const sourceUrl = z
  .string()
  .max(2048, 'must have at most 2,048 characters')
  .superRefine((text, context) => {
    const message = faultOfSource(text);
    if (message) context.addIssue({ code: 'custom', message });
  });
const checksum = z
  .string()
  .toLowerCase()
  .regex(SHA256, 'must be "sha256:" and 64 hexadecimal digits');
const facts = {
  description: optional(description),
  osVariant: optional(z.string().max(63, 'must have at most 63 characters')),
  minCpu: optional(z.number().int().min(1).max(256)),
  minMemoryMib: optional(z.number().int().min(1).max(1_048_576)),
  minDiskGib: optional(z.number().int().min(0).max(65_536)),
};
const osType = z.string().min(1).max(63, 'must have at most 63 characters');

/** PENDING until an agent fetches it; AVAILABLE when its content is in the pool and adds up to the checksum. */
export const registerImage = defineCommand({
  name: 'image.register',
  resourceType,
  permission: 'image:create',
  subject: ({ projectId }: { projectId?: string | undefined }) =>
    projectId === undefined ? null : { entity: ProjectEntity, id: projectId, path: ['projectId'] },
  input: z.object({
    projectId: optional(idOf('Project')),
    poolId: idOf('StoragePool'),
    name,
    sourceUrl,
    checksum: optional(checksum),
    format: z.enum(ImageFormat),
    osType,
    ...facts,
  }),
  errors: [AlreadyExistsError, InvalidStateError, NoSuitableNodeError],
  label: (input) => input.name,
  async run(context, { projectId = null, poolId, ...input }) {
    const { tx, viewer, newId, services } = context;
    const columns = { id: true, projectId: true, phase: true };
    const pool = await requireVisible<Pick<StoragePool, 'projectId' | 'phase'>>(
      tx,
      StoragePoolEntity,
      viewer,
      poolId,
      columns,
      ['poolId'],
    );
    if (pool.projectId !== null && pool.projectId !== projectId)
      throw ValidationError.of(['poolId'], 'The StoragePool belongs to another project.');
    decidePool('USE', pool.phase);
    const { name: imageName, sourceUrl: url, format, osType: os, ...optionals } = input;
    const after = await tx.image.create({
      data: {
        id: newId(),
        projectId,
        poolId,
        name: imageName,
        sourceUrl: url,
        format,
        osType: os,
        ...present(optionals),
      },
    });
    const task = await beginJob(
      context,
      {
        operation: 'IMPORT_IMAGE',
        resourceType,
        resourceId: after.id,
        resourceName: after.name,
        projectId,
        imageId: after.id,
        nodeId: await pickExecutor(tx, [poolId]),
      },
      services.config.storage.transferTimeoutMs,
    );
    return {
      result: { imageId: after.id, taskId: task.id },
      changed: [
        { type: resourceType, id: after.id, before: null, after },
        { type: 'Task', id: task.id, before: null, after: task },
      ],
    };
  },
});

/** What people and placement read of it. Its content stays what it is: register another image. */
export const updateImage = defineCommand({
  name: 'image.update',
  resourceType,
  permission: 'image:update',
  subject,
  input: z.object({
    id: idOf('Image'),
    name: optional(name),
    osType: optional(osType),
    ...facts,
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  lock: (input) => [`image/${input.id}`],
  async run({ tx, viewer }, { id, expectedVersion, ...fields }) {
    await requireVisible(tx, ImageEntity, viewer, id);
    const before = await readForEdit<Image>(tx, ImageEntity, id, expectedVersion);
    const after = await updateVersioned(tx, ImageEntity, before, present(fields));
    return {
      result: { imageId: id },
      changed: [{ type: resourceType, id, before, after }],
    };
  },
});

/** By a task, which takes the content out of its pool; at once where there is none to take out. */
export const deleteImage = defineCommand({
  name: 'image.delete',
  resourceType,
  permission: 'image:delete',
  subject,
  input: z.object({ id: idOf('Image'), expectedVersion: version }),
  errors: [InUseError, InvalidStateError, NoSuitableNodeError],
  lock: (input) => [`image/${input.id}`],
  async run(context, { id, expectedVersion }) {
    const { tx, services } = context;
    const before = await readForEdit<Image>(tx, ImageEntity, id, expectedVersion);
    await requireIdle(tx, { imageId: id }, before.name);
    decideImage('DELETE', before.phase);
    // Written first, looked at then: a volume that begins to copy it now waits for this row, and finds it on its way out.
    const [after] = await tx.image.updateManyAndReturn({
      where: { id, phase: before.phase, version: before.version },
      data: { phase: 'DELETING', errorMessage: '' },
    });
    if (!after) throw new ConflictError(resourceType, null);
    const used = await usersOf(context, id);
    if (used.length > 0) throw new InUseError(resourceType, used);
    if (before.poolId === null) {
      const changed = await removeImage(tx, before);
      return { result: { deletedImageId: id, taskId: null }, changed };
    }
    const task = await beginJob(
      context,
      {
        operation: 'DELETE_IMAGE',
        resourceType,
        resourceId: id,
        resourceName: before.name,
        projectId: before.projectId,
        imageId: id,
        nodeId: await pickExecutor(tx, [before.poolId]),
      },
      services.config.tasks.timeoutMs,
    );
    return {
      result: { deletedImageId: id, taskId: task.id as string | null },
      changed: [
        { type: resourceType, id, before, after },
        { type: 'Task', id: task.id, before: null, after: task },
      ],
    };
  },
});

/** Machines that have it in a drive, and volumes that share its blocks or are still copying them. */
async function usersOf(
  { tx, viewer }: Pick<Parameters<typeof deleteImage.run>[0], 'tx' | 'viewer'>,
  imageId: string,
): Promise<Usage[]> {
  const [machine, volume] = [findEntity('VirtualMachine'), findEntity('Volume')];
  const inDrive = { spec: { path: ['cdroms'], array_contains: [{ imageId }] } };
  const from = {
    AND: [
      { spec: { path: ['source', 'type'], equals: 'IMAGE' } },
      { spec: { path: ['source', 'id'], equals: imageId } },
      { OR: [{ phase: 'CREATING' }, { spec: { path: ['source', 'linked'], equals: true } }] },
    ],
  };
  return [
    ...(machine ? await usageOf(tx, machine, viewer, inDrive) : []),
    ...(volume ? await usageOf(tx, volume, viewer, from) : []),
  ];
}
