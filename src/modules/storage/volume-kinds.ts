/** CREATE_VOLUME, GROW_VOLUME and DELETE_VOLUME: jobs of a node that has the pool. */
import type { Change, RunContext } from '../../core/command.js';
import { written } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import type { Task, Volume } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { claimQuota } from '../project/quota.js';
import { defineTaskKind, type JobParts } from '../task/kinds.js';
import { releaseSpace } from './claims.js';
import { lockedVolumes } from './lock-volumes.js';
import {
  breakVolume,
  finishVolume,
  jobVolume,
  removeVolume,
  snapshotOf,
  volumeFigures,
} from './make-volume.js';
import { poolConfiguration } from './pool-secrets.js';
import { gibOf, settledPhase } from './rules.js';

/** What a task that creates keeps: every pool that the job touches. */
export interface CreateDetails {
  readonly poolIds: readonly string[];
}

/** What a task that grows keeps: the size that is to be, and what was claimed for it in addition. Bytes as decimal digits. */
export interface GrowDetails {
  readonly sizeBytes: string;
  readonly claimedBytes: string;
}

const detailsOf = <T>(task: Task): T => task.details as T;

/** Null: it is gone, with all that the task could have done to it. */
async function volumeOf(tx: Tx, { volumeId }: Task): Promise<Volume | null> {
  return volumeId === null ? null : tx.volume.findUnique({ where: { id: volumeId } });
}

/** Somebody may be editing it, and the audit tells of it as it was. */
async function heldVolume(tx: Tx, { volumeId }: Task): Promise<Volume | null> {
  const [volume] = volumeId === null ? [] : await lockedVolumes(tx, [volumeId]);
  return volume ?? null;
}

async function describe(tx: Tx, task: Task, services: RunContext['services']): Promise<JobParts> {
  const volume = await volumeOf(tx, task);
  if (!volume) return {};
  const { poolIds = [volume.poolId] } = detailsOf<Partial<CreateDetails>>(task);
  const { sizeBytes = volume.sizeBytes } = detailsOf<Partial<GrowDetails>>(task);
  const creates = task.operation === 'CREATE_VOLUME';
  const filled = { sourceType: null, sourceId: null, sizeBytes: BigInt(sizeBytes) };
  return {
    ...(creates ? snapshotOf(volume) : {}),
    ...(task.virtualMachineId === null
      ? {}
      : { virtualMachineId: encodeGlobalId('VirtualMachine', task.virtualMachineId) }),
    storagePoolId: encodeGlobalId('StoragePool', volume.poolId),
    poolConfiguration: await poolConfiguration(tx, services, poolIds),
    volumes: [{ ...jobVolume(volume), ...(creates ? {} : filled) }],
  };
}

defineTaskKind('CREATE_VOLUME', {
  job: {
    describe,
    async done({ tx }, task, result) {
      const volume = await heldVolume(tx, task);
      if (!volume) return { changed: [] };
      const changed = await finishVolume(tx, volume, result);
      return { changed, result: { type: 'Volume', id: volume.id } };
    },
  },
  cancellable: () => true,
  async undo({ tx }, task, end) {
    const volume = await heldVolume(tx, task);
    if (!volume) return [];
    // Only the agent ends a job as cancelled, and then it has left nothing behind. What is protected goes by no path.
    if (end.status === 'CANCELLED' && !volume.deletionProtected) return removeVolume(tx, volume);
    return breakVolume(tx, volume, end.errorMessage ?? end.status);
  },
});

defineTaskKind('DELETE_VOLUME', {
  job: {
    describe,
    async done({ tx }, task) {
      const volume = await heldVolume(tx, task);
      return { changed: volume ? await removeVolume(tx, volume) : [] };
    },
  },
  async undo({ tx }, task, end) {
    const volume = await heldVolume(tx, task);
    return volume ? breakVolume(tx, volume, end.errorMessage ?? end.status) : [];
  },
});

defineTaskKind('GROW_VOLUME', {
  job: {
    describe,
    async done({ tx }, task, result) {
      const before = await heldVolume(tx, task);
      if (!before) return { changed: [] };
      const { actualSizeBytes } = result.volumes.find((v) => v.volumeId === before.id) ?? {};
      const data = {
        phase: settledPhase(before),
        errorMessage: '',
        sizeBytes: BigInt(detailsOf<GrowDetails>(task).sizeBytes),
        ...(actualSizeBytes === undefined ? {} : { actualSizeBytes }),
      };
      const row = await tx.volume.update({ where: { id: before.id }, data });
      const after = written(before, row, data);
      return { changed: [{ type: 'Volume', id: before.id, before, after }] };
    },
  },
  undo: shrinkBack,
});

/** The volume is as it was, and usable: only what was claimed for the growth is given back. */
async function shrinkBack(
  { tx }: RunContext,
  task: Task,
  end: { errorMessage: string | null },
): Promise<Change[]> {
  const before = await heldVolume(tx, task);
  if (!before) return [];
  const { sizeBytes, claimedBytes } = detailsOf<GrowDetails>(task);
  const data = {
    phase: settledPhase(before),
    errorMessage: `It did not grow: ${end.errorMessage ?? ''}`.slice(0, 1000),
    claimedBytes: { decrement: BigInt(claimedBytes) },
  };
  const row = await tx.volume.update({ where: { id: before.id }, data });
  const after = written(before, row, data);
  await releaseSpace(tx, before.poolId, BigInt(claimedBytes));
  const storageGib = gibOf(before.sizeBytes) - gibOf(BigInt(sizeBytes));
  await claimQuota(tx, before.projectId, { storageGib });
  return [{ type: 'Volume', id: before.id, before, after }, ...volumeFigures(before)];
}
