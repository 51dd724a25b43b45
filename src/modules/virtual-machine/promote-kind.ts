/**
 * PROMOTE: one job that gives the linked volumes of a machine blocks of their own, where they are: content and id stay, so that a
 * guest that runs notices nothing. Until the agent says that all is copied they count as linked, and what they stand on stays.
 */
import { z } from 'zod';
import type { Change, RunContext } from '../../core/command.js';
import { readPart } from '../../core/json-part.js';
import { written } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import type { Prisma, Task, Volume } from '../../gen/client/client.js';
import { VolumeProvisioning } from '../../gen/client/enums.js';
import { encodeGlobalId } from '../../ids.js';
import { releaseSpace } from '../storage/claims.js';
import { lockedVolumes } from '../storage/lock-volumes.js';
import { jobVolume, volumeFigures } from '../storage/make-volume.js';
import { poolConfiguration } from '../storage/pool-secrets.js';
import { defineTaskKind, type JobDone, type JobResult } from '../task/kinds.js';
import type { TaskEnd } from '../task/rules.js';

/** What the task keeps. `claimedBytes`: what each volume claims in addition since its beginning, as decimal digits. */
export interface PromoteDetails {
  readonly volumeIds: readonly string[];
  readonly provisioning: VolumeProvisioning;
  readonly claimedBytes: Readonly<Record<string, string>>;
}

const SHAPE = {
  volumeIds: z.array(z.uuid()),
  provisioning: z.enum(VolumeProvisioning),
  claimedBytes: z.record(z.string(), z.string().regex(/^\d+$/)),
};

function detailsOf(task: Task): PromoteDetails {
  const { volumeIds, provisioning, claimedBytes } = readPart(SHAPE, task.details);
  return {
    volumeIds: volumeIds ?? [],
    provisioning: provisioning ?? 'THIN',
    claimedBytes: claimedBytes ?? {},
  };
}

/** A volume's spec when it shares no blocks any more. What it was filled from stays on record. */
export function unlinkedSpec(spec: unknown): Prisma.InputJsonObject {
  const { source, ...rest } = spec as { source: { linked?: boolean } };
  const { linked: _, ...origin } = source;
  return { ...rest, source: origin };
}

async function write(tx: Tx, before: Volume, data: Prisma.VolumeUncheckedUpdateInput) {
  const row = await tx.volume.update({ where: { id: before.id }, data });
  const after = written(before, row, data);
  return { type: 'Volume', id: before.id, before, after };
}

async function done({ tx }: RunContext, task: Task, result: JobResult): Promise<JobDone> {
  const { volumeIds, provisioning } = detailsOf(task);
  const changed: Change[] = [];
  for (const volume of await lockedVolumes(tx, volumeIds)) {
    const made = result.volumes.find(({ volumeId }) => volumeId === volume.id);
    const data = {
      spec: unlinkedSpec(volume.spec),
      parentId: null,
      provisioning,
      errorMessage: '',
      ...(made?.actualSizeBytes === undefined ? {} : { actualSizeBytes: made.actualSizeBytes }),
      version: { increment: 1 }, // the spec is also edited by people, who began from what it was
    };
    changed.push(await write(tx, volume, data));
  }
  return { changed, result: { type: 'VirtualMachine', id: task.resourceId } };
}

/** They are as linked as they were, and usable: only what was claimed for the copy is given back. */
async function undo({ tx }: RunContext, task: Task, end: TaskEnd): Promise<Change[]> {
  const { volumeIds, claimedBytes } = detailsOf(task);
  const errorMessage = `It was not promoted: ${end.errorMessage ?? ''}`.slice(0, 1000);
  const changed: Change[] = [];
  for (const volume of await lockedVolumes(tx, volumeIds)) {
    const bytes = BigInt(claimedBytes[volume.id] ?? 0);
    const data = { claimedBytes: { decrement: bytes }, errorMessage };
    changed.push(await write(tx, volume, data), ...volumeFigures(volume));
    await releaseSpace(tx, volume.poolId, bytes);
  }
  return changed;
}

defineTaskKind('PROMOTE', {
  cancellable: () => true,
  job: {
    async describe(tx, task, services) {
      const { volumeIds, provisioning } = detailsOf(task);
      const where = { id: { in: [...volumeIds] } };
      const volumes = await tx.volume.findMany({ where, orderBy: { id: 'asc' } });
      const pools = [...new Set(volumes.map(({ poolId }) => poolId))];
      // What each stands on its pool knows; their sources may be several snapshots, and a job names one.
      const own = { provisioning, linked: false, sourceType: null, sourceId: null };
      return {
        virtualMachineId: encodeGlobalId('VirtualMachine', task.virtualMachineId ?? ''),
        poolConfiguration: await poolConfiguration(tx, services, pools),
        volumes: volumes.map((volume) => ({ ...jobVolume(volume), ...own })),
      };
    },
    done,
  },
  undo,
});
