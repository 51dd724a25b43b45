/** Registering and editing images. One without a project is for everybody: administrators make it. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  InvalidStateError,
  NoSuitableNodeError,
  ValidationError,
} from '../../errors.js';
import type { Image, StoragePool } from '../../gen/client/client.js';
import { ImageFormat } from '../../gen/client/enums.js';
import { ProjectEntity } from '../project/queries.js';
import { pickExecutor } from '../storage/executor.js';
import { decidePool } from '../storage/pool-rules.js';
import { StoragePoolEntity } from '../storage/queries.js';
import { beginJob, newTask } from '../task/begin.js';
import './kinds.js';
import { ImageEntity } from './queries.js';
import { faultOfSource } from './rules.js';

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
  lock: ({ name, projectId }) => [nameLock(ImageEntity, name, projectId)],
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
        nodeId: await pickExecutor(context, [poolId]),
      },
      services.config.tasks.jobTimeoutMs,
    );
    return {
      result: { imageId: after.id, taskId: task.id },
      changed: [{ type: resourceType, id: after.id, before: null, after }, newTask(task)],
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
