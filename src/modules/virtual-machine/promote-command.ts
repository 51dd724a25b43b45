/**
 * `promoteVirtualMachine`: its linked volumes get blocks of their own, and what they shared them with can go.
 * A linked volume counts whole in its project's quota from its beginning, so that promoting it takes nothing there; of its pool it
 * takes what a full copy of the asked provisioning claims beyond what it claims already.
 */
import { z } from 'zod';
import { type Change, defineCommand, type RunContext } from '../../core/command.js';
import { idOf, optional, version } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { written } from '../../core/versioned.js';
import {
  ConflictError,
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  PoolExhaustedError,
} from '../../errors.js';
import type { Prisma, Volume } from '../../gen/client/client.js';
import { VolumeProvisioning } from '../../gen/client/enums.js';
import { claimSpace } from '../storage/claims.js';
import { lockedVolumes } from '../storage/lock-volumes.js';
import { volumeFigures } from '../storage/make-volume.js';
import { claimOf, decideVolume } from '../storage/rules.js';
import { linkedTo } from '../storage/sharing.js';
import { sourceOf } from '../storage/volume-sources.js';
import { newTask } from '../task/begin.js';
import { beginJob, type OperationResult, readIdle } from './begin.js';
import './promote-kind.js';
import type { PromoteDetails } from './promote-kind.js';
import { VirtualMachineEntity } from './queries.js';
import { decide } from './rules.js';
import { executorFor } from './take-snapshot.js';

const resourceType = 'VirtualMachine';

export interface PromoteResult extends OperationResult {
  readonly volumeIds: readonly string[];
  /** Decimal digits. */
  readonly claimedBytes: string;
}

export const promoteVirtualMachine = defineCommand({
  name: 'virtualMachine.promote',
  resourceType,
  permission: 'vm:update',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf(resourceType),
    provisioning: optional(z.enum(VolumeProvisioning)),
    expectedVersion: version,
  }),
  errors: [InvalidStateError, InUseError, PoolExhaustedError, NoSuitableNodeError],
  async run(context, { id, provisioning = 'THIN', expectedVersion }) {
    const { tx } = context;
    const vm = await readIdle(tx, id);
    if (expectedVersion != null && vm.version !== expectedVersion)
      throw new ConflictError(resourceType, vm.version);
    const linked = await linkedVolumes(context, id);
    const result: PromoteResult = {
      virtualMachineId: id,
      taskId: null,
      volumeIds: linked.map((volume) => volume.id),
      claimedBytes: '0',
    };
    if (linked.length === 0) return { result, changed: [] };
    decide('PROMOTE', vm.powerState, false);
    for (const { phase } of linked) decideVolume('PROMOTE', phase);
    await requireNothingOn(context, linked);
    const claims = await claim(context, linked, provisioning);
    const nodeId = await executorFor(context, vm);
    const details: PromoteDetails = {
      volumeIds: result.volumeIds,
      provisioning,
      claimedBytes: Object.fromEntries(claims.map(({ id, bytes }) => [id, String(bytes)])),
    };
    const columns = { nodeId, details: { ...details } as Prisma.InputJsonObject };
    const task = await beginJob(context, vm, 'PROMOTE', columns);
    const claimedBytes = String(claims.reduce((sum, { bytes }) => sum + bytes, 0n));
    return {
      result: { ...result, taskId: task.id, claimedBytes },
      changed: [newTask(task), ...claims.flatMap(({ changed }) => changed)],
    };
  },
});

async function linkedVolumes({ tx }: RunContext, virtualMachineId: string): Promise<Volume[]> {
  const where = { attachedVmId: virtualMachineId };
  const ids = await tx.volume.findMany({ where, select: { id: true } });
  const held = await lockedVolumes(tx, ids.map(({ id }) => id)); // biome-ignore format: one call
  return held.filter((volume) => sourceOf(volume)?.linked === true);
}

/** A snapshot or a linked copy of a linked volume stands on the same blocks, and no pool copies those with it: they would go from under it. */
async function requireNothingOn(
  { tx, viewer }: RunContext,
  volumes: readonly Volume[],
): Promise<void> {
  const usedBy = await usesOf(tx, viewer, { Volume: linkedTo(volumes.map(({ id }) => id)) });
  const count = Math.max(...volumes.map(({ snapshotCount }) => snapshotCount));
  if (count > 0) usedBy.push({ type: 'VirtualMachineSnapshot', count, names: [] });
  if (usedBy.length > 0) throw new InUseError('Volume', usedBy);
}

interface Claim {
  readonly id: string;
  readonly bytes: bigint;
  readonly changed: readonly Change[];
}

/** First the volumes' rows, then those of their pools, each pool once and in the order of their ids: two machines wait for each other in vain nowhere. */
async function claim(
  { tx, services }: RunContext,
  volumes: readonly Volume[],
  provisioning: VolumeProvisioning,
): Promise<Claim[]> {
  const claims: Claim[] = [];
  const byPool = new Map<string, bigint>();
  for (const before of volumes) {
    const { id, poolId, sizeBytes } = before;
    const share = claimOf(provisioning, sizeBytes, services.config.storage.thinOvercommit);
    const bytes = share > before.claimedBytes ? share - before.claimedBytes : 0n;
    byPool.set(poolId, (byPool.get(poolId) ?? 0n) + bytes);
    const data = { claimedBytes: { increment: bytes } };
    const row = bytes > 0n ? await tx.volume.update({ where: { id }, data }) : before;
    const after = written(before, row, data);
    const change = { type: 'Volume', id, before, after };
    claims.push({ id, bytes, changed: bytes > 0n ? [change, ...volumeFigures(row)] : [] });
  }
  for (const [poolId, bytes] of [...byPool].sort()) await claimSpace(tx, poolId, bytes);
  return claims;
}
