/** Creating, copying and editing volumes. What takes the backend's time is a task; the row is there at once. */
import { z } from 'zod';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, labels, name, optional, present, version } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  BusyError,
  InvalidStateError,
  NoSuitableNodeError,
  PoolExhaustedError,
  QuotaExceededError,
} from '../../errors.js';
import type { Volume } from '../../gen/client/client.js';
import { VolumeProvisioning } from '../../gen/client/enums.js';
import { ProjectEntity } from '../project/queries.js';
import { beginJob, newTask } from '../task/begin.js';
import { requireIdle } from '../task/idle.js';
import { pickExecutor } from './executor.js';
import { lockVolumes } from './lock-volumes.js';
import { addVolume, type NewVolume } from './make-volume.js';
import { qosInput } from './pool-input.js';
import { VolumeEntity } from './queries.js';
import { wantedSize } from './rules.js';
import './volume-kinds.js';
import type { CreateDetails } from './volume-kinds.js';
import { resolveSource, sourceInput } from './volume-sources.js';
import { ACCESS_MODES } from './volume-spec.js';

const resourceType = 'Volume';

export interface VolumeTaskResult {
  readonly volumeId: string;
  readonly taskId: string;
}

export const sizeInputs = {
  sizeGib: optional(
    z.number().int().min(1, 'must be 1 at least').max(65_536, 'must be 65,536 at most'),
  ),
  sizeBytes: optional(z.bigint()),
};

const CREATION_ERRORS = [
  AlreadyExistsError,
  QuotaExceededError,
  PoolExhaustedError,
  InvalidStateError,
  NoSuitableNodeError,
  BusyError,
] as const;

/** The volume and the task that makes it. What has to be copied may take its time. */
async function begin(context: RunContext, wanted: NewVolume): Promise<Outcome<VolumeTaskResult>> {
  const { config } = context.services;
  const poolIds = [wanted.poolId, wanted.origin?.poolId ?? wanted.poolId];
  const { volume, changed } = await addVolume(context, wanted);
  const subject = {
    operation: 'CREATE_VOLUME',
    resourceType,
    resourceId: volume.id,
    resourceName: volume.name,
    projectId: volume.projectId,
    volumeId: volume.id,
    nodeId: await pickExecutor(context, poolIds),
    details: { poolIds: [...new Set(poolIds)] } satisfies CreateDetails,
  } as const;
  const timeoutMs = wanted.origin ? config.tasks.jobTimeoutMs : config.tasks.timeoutMs;
  const task = await beginJob(context, subject, timeoutMs);
  const begun = newTask(task);
  return {
    result: { volumeId: volume.id, taskId: task.id },
    changed: [...changed.slice(0, 1), begun, ...changed.slice(1)],
  };
}

export const createVolume = defineCommand({
  name: 'volume.create',
  resourceType,
  permission: 'storage:create',
  subject: (input: { projectId: string }) => ({
    entity: ProjectEntity,
    id: input.projectId,
    path: ['projectId'],
  }),
  input: z.object({
    projectId: idOf('Project'),
    poolId: idOf('StoragePool'),
    name,
    ...sizeInputs,
    provisioning: optional(z.enum(VolumeProvisioning)),
    accessMode: optional(z.enum(ACCESS_MODES)),
    qos: optional(qosInput),
    labels: optional(labels),
    deletionProtected: optional(z.boolean()),
    source: optional(sourceInput),
  }),
  errors: CREATION_ERRORS,
  lock: ({ name, poolId }) => [nameLock(VolumeEntity, name, poolId)],
  label: (input) => input.name,
  async run(context, { source, sizeGib, sizeBytes, ...input }) {
    const wanted = wantedSize({ sizeGib, sizeBytes });
    const origin = source ? await resolveSource(context, input.projectId, source) : null;
    return begin(context, { ...input, sizeBytes: wanted, origin });
  },
});

/** A copy in the same project. LINKED shares the blocks of its source, which then stays as long as the copy does. */
export const cloneVolume = defineCommand({
  name: 'volume.clone',
  resourceType,
  permission: 'storage:create',
  subject: (input: { id: string }) => ({ entity: VolumeEntity, id: input.id }),
  input: z.object({
    id: idOf('Volume'),
    name,
    mode: z.enum(['FULL', 'LINKED']),
    poolId: optional(idOf('StoragePool')),
    ...sizeInputs,
    provisioning: optional(z.enum(VolumeProvisioning)),
    labels: optional(labels),
  }),
  errors: CREATION_ERRORS,
  label: (input) => input.name,
  async run(context, { id, mode, sizeGib, sizeBytes, ...input }) {
    const wanted = wantedSize({ sizeGib, sizeBytes });
    const before = await readForEdit<Volume>(context.tx, VolumeEntity, id);
    const { projectId, poolId } = before;
    const source = { volumeId: id, linked: mode === 'LINKED' };
    const origin = await resolveSource(context, projectId, source, ['id']);
    return begin(context, {
      ...input,
      projectId,
      poolId: input.poolId ?? poolId,
      sizeBytes: wanted,
      origin,
    });
  },
});

export const updateVolume = defineCommand({
  name: 'volume.update',
  resourceType,
  permission: 'storage:update',
  subject: (input: { id: string }) => ({ entity: VolumeEntity, id: input.id }),
  input: z.object({
    id: idOf('Volume'),
    name: optional(name),
    labels: optional(labels),
    qos: optional(qosInput),
    deletionProtected: optional(z.boolean()),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run({ tx, viewer }, { id, expectedVersion, qos, ...fields }) {
    await requireVisible(tx, VolumeEntity, viewer, id);
    await lockVolumes(tx, [id]); // snapshots write to the spec without a version
    const before = await readForEdit<Volume>(tx, VolumeEntity, id, expectedVersion);
    // Protection that comes too late would be a promise that is about to be broken.
    if (fields.deletionProtected && before.phase === 'DELETING')
      await requireIdle(tx, { volumeId: id }, before.name);
    const after = await updateVersioned(tx, VolumeEntity, before, {
      ...present(fields),
      ...(qos ? { spec: { ...(before.spec as object), qos } } : {}),
    });
    return {
      result: { volumeId: id },
      changed: [{ type: resourceType, id, before, after }],
    };
  },
});
