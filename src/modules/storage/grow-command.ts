/** `growVolume`: larger only; where it is attached, by the node on which its machine has it open. */
import { z } from 'zod';
import { defineCommand, type RunContext } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { readForEdit, written } from '../../core/versioned.js';
import {
  ConflictError,
  InvalidStateError,
  NoSuitableNodeError,
  PoolExhaustedError,
  QuotaExceededError,
  ValidationError,
} from '../../errors.js';
import type { Volume } from '../../gen/client/client.js';
import { claimQuota } from '../project/quota.js';
import { beginJob, newTask } from '../task/begin.js';
import { lockMachine } from '../task/end.js';
import { requireIdle } from '../task/idle.js';
import { claimSpace } from './claims.js';
import { pickExecutor, requireExecutor } from './executor.js';
import { volumeFigures } from './make-volume.js';
import { VolumeEntity } from './queries.js';
import { claimOf, decideVolume, gibOf, sizeInWords, wantedSize } from './rules.js';
import { sizeInputs, type VolumeTaskResult } from './volume-commands.js';
import type { GrowDetails } from './volume-kinds.js';
import { requireNotCopied } from './volume-sources.js';

const resourceType = 'Volume';

export const growVolume = defineCommand({
  name: 'volume.grow',
  resourceType,
  permission: 'storage:update',
  subject: (input: { id: string }) => ({ entity: VolumeEntity, id: input.id }),
  input: z.object({ id: idOf('Volume'), ...sizeInputs }),
  errors: [InvalidStateError, QuotaExceededError, PoolExhaustedError, NoSuitableNodeError],
  async run(context, { id, ...size }) {
    const { tx, services } = context;
    const before = await readForEdit<Volume>(tx, VolumeEntity, id);
    await requireIdle(tx, { volumeId: id }, before.name);
    decideVolume('GROW', before.phase);
    await requireNotCopied(tx, before);
    const sizeBytes = wantedSize(size);
    if (sizeBytes === null || sizeBytes <= before.sizeBytes) {
      const path = [size.sizeBytes === undefined ? 'sizeGib' : 'sizeBytes'];
      throw ValidationError.of(path, `must be more than it has: ${sizeInWords(before.sizeBytes)}`);
    }
    const nodeId = await executorFor(context, before);
    // A volume of an earlier release may claim more than its share by now: that stays.
    const share = claimOf(before.provisioning, sizeBytes, services.config.storage.thinOvercommit);
    const claimedBytes = share > before.claimedBytes ? share - before.claimedBytes : 0n;
    const { phase, attachedVmId } = before;
    const data = { phase: 'RESIZING', claimedBytes: { increment: claimedBytes } } as const;
    const [row] = await tx.volume.updateManyAndReturn({
      where: { id, phase, attachedVmId, sizeBytes: before.sizeBytes },
      data,
    });
    if (!row) throw new ConflictError(resourceType, null);
    const after = written(before, row, data);
    await claimSpace(tx, before.poolId, claimedBytes);
    const storageGib = gibOf(sizeBytes) - gibOf(before.sizeBytes);
    await claimQuota(tx, before.projectId, { storageGib });
    const subject = {
      operation: 'GROW_VOLUME',
      resourceType,
      resourceId: id,
      resourceName: before.name,
      projectId: before.projectId,
      volumeId: id,
      nodeId,
      ...(attachedVmId === null ? {} : { virtualMachineId: attachedVmId }),
      details: {
        sizeBytes: String(sizeBytes),
        claimedBytes: String(claimedBytes),
      } satisfies GrowDetails,
    } as const;
    const task = await beginJob(context, subject, services.config.tasks.timeoutMs);
    const result: VolumeTaskResult = { volumeId: id, taskId: task.id };
    return {
      result,
      changed: [{ type: resourceType, id, before, after }, newTask(task), ...volumeFigures(after)],
    };
  },
});

/** Its machine is locked first, as a report does it, and must have no other task: of a running one, its own node has to do it. */
async function executorFor(context: RunContext, volume: Volume): Promise<string> {
  const { tx } = context;
  const pools = [volume.poolId];
  const { attachedVmId } = volume;
  if (attachedVmId === null) return pickExecutor(context, pools);
  await lockMachine({ tx }, { virtualMachineId: attachedVmId });
  const vm = await tx.virtualMachine.findUniqueOrThrow({ where: { id: attachedVmId } });
  await requireIdle(tx, { virtualMachineId: vm.id }, vm.name);
  return vm.capacityClaimed && vm.nodeId
    ? requireExecutor(context, pools, vm.nodeId)
    : pickExecutor(context, pools, vm.nodeId);
}
