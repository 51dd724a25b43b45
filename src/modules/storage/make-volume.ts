/** New volumes: the row and all that it claims, in one transaction; and what becomes of it when its content is there or is not. */
import type { z } from 'zod';
import type { Change, RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { translateTaken } from '../../core/failures.js';
import { present } from '../../core/input.js';
import { readKey, readPart } from '../../core/json-part.js';
import { written } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { ConflictError, ValidationError } from '../../errors.js';
import type { StoragePool, Volume } from '../../gen/client/client.js';
import type { VolumeProvisioning } from '../../gen/client/enums.js';
import { encodeGlobalId } from '../../ids.js';
import { usageChange } from '../project/changes.js';
import { claimQuota, releaseQuota } from '../project/quota.js';
import type { JobResult, JobVolume } from '../task/kinds.js';
import { claimSpace, releaseSpace } from './claims.js';
import type { qosInput } from './pool-input.js';
import { POOL_DEFAULTS } from './pool-spec.js';
import { StoragePoolEntity } from './queries.js';
import { checkNewVolume, claimOf, gibOf, settledPhase } from './rules.js';
import { type Origin, type StoredSource, sourceOf } from './volume-sources.js';
import type { AccessMode } from './volume-spec.js';

export interface NewVolume {
  readonly projectId: string;
  readonly poolId: string;
  readonly name: string;
  /** Null: as large as its source needs. */
  readonly sizeBytes: bigint | null;
  readonly provisioning?: VolumeProvisioning | undefined;
  readonly accessMode?: AccessMode | undefined;
  readonly qos?: z.output<typeof qosInput> | undefined;
  readonly labels?: Record<string, string> | undefined;
  readonly deletionProtected?: boolean | undefined;
  /** A machine that it is made for: it belongs to it from the beginning. */
  readonly attachedVmId?: string;
  readonly origin: Origin | null;
}

/** What a pool's volumes take and what a project uses: told, not audited. */
function figures(volume: Volume): Change[] {
  const pool = { id: volume.poolId };
  return [
    { type: 'StoragePool', id: volume.poolId, before: pool, after: pool, derived: true },
    usageChange(volume.projectId),
  ];
}

/**
 * Writes a volume that is CREATING and claims its space and quota. Somebody still has to have it made: its own job, or a machine's.
 * @throws NotFoundError, ValidationError, AlreadyExistsError, PoolExhaustedError, QuotaExceededError, InvalidStateError (the pool is not usable)
 */
export async function addVolume(
  { tx, viewer, newId, services }: RunContext,
  wanted: NewVolume,
): Promise<{ volume: Volume; changed: Change[] }> {
  const { projectId, poolId, origin } = wanted;
  const columns = { id: true, projectId: true, spec: true };
  const at = ['poolId'];
  const pool = await requireVisible<Pick<StoragePool, 'projectId' | 'spec'>>(tx, StoragePoolEntity, viewer, poolId, columns, at); // biome-ignore format: one call
  if (pool.projectId !== null && pool.projectId !== projectId)
    throw ValidationError.of(at, 'The StoragePool belongs to another project.');
  const defaults = readPart(POOL_DEFAULTS, readKey(pool.spec, 'defaults'));
  const provisioning =
    wanted.provisioning ?? (origin?.linked ? 'THIN' : (defaults.provisioning ?? 'THIN'));
  const sizeBytes = checkNewVolume(wanted.sizeBytes, { poolId, provisioning }, origin);
  const claimedBytes = claimOf(provisioning, sizeBytes, services.config.storage.thinOvercommit);
  const spec = {
    source: origin?.stored ?? { type: 'EMPTY' },
    qos: wanted.qos ?? {},
    accessMode: wanted.accessMode ?? defaults.accessMode ?? 'READ_WRITE_ONCE',
  };
  const { name, labels, deletionProtected, attachedVmId } = wanted;
  const data = {
    id: newId(),
    name,
    projectId,
    poolId,
    sizeBytes,
    provisioning,
    claimedBytes,
    parentId: origin?.parentId ?? null,
    spec: spec as object,
    ...present({ labels, deletionProtected, attachedVmId }),
  };
  const volume = await tx.volume.create({ data }).catch((cause: unknown) => {
    throw translateTaken(cause, 'Volume', 'name', name);
  });
  await claimSpace(tx, poolId, claimedBytes);
  await claimQuota(tx, projectId, { volumes: 1, storageGib: gibOf(sizeBytes) });
  const created = { type: 'Volume', id: volume.id, before: null, after: volume };
  return { volume, changed: [created, ...figures(volume)] };
}

const isLinked = (volume: Volume): boolean => sourceOf(volume)?.linked === true;

/** The snapshot that a volume is filled from, as a public id: part of the job that makes it. */
export function snapshotOf(volume: Volume): { snapshotId?: string } {
  const source = sourceOf(volume);
  return source?.type === 'SNAPSHOT'
    ? { snapshotId: encodeGlobalId('VirtualMachineSnapshot', source.id) }
    : {};
}

/** A volume as the agent that makes it is told of it. */
export function jobVolume(volume: Volume): JobVolume {
  return {
    volumeId: encodeGlobalId('Volume', volume.id),
    storagePoolId: encodeGlobalId('StoragePool', volume.poolId),
    sizeBytes: volume.sizeBytes,
    provisioning: volume.provisioning,
    linked: isLinked(volume),
    ...contentOf(sourceOf(volume)),
  };
}

function contentOf(source: StoredSource | null): Pick<JobVolume, 'sourceType' | 'sourceId'> {
  if (source === null) return { sourceType: null, sourceId: null };
  if (source.type === 'IMAGE')
    return { sourceType: 'IMAGE', sourceId: encodeGlobalId('Image', source.id) };
  const sourceId = encodeGlobalId('Volume', source.volumeId ?? source.id);
  return { sourceType: source.type === 'CLONE' ? 'VOLUME' : 'SNAPSHOT', sourceId };
}

/** The content is there: what it was copied from is free again, unless it shares its blocks. */
export async function finishVolume(tx: Tx, before: Volume, result: JobResult): Promise<Change[]> {
  const made = result.volumes.find(({ volumeId }) => volumeId === before.id);
  const data = {
    phase: settledPhase(before),
    errorMessage: '',
    path: made?.path ?? '',
    devicePath: made?.devicePath ?? '',
    actualSizeBytes: made?.actualSizeBytes ?? 0n,
    parentId: isLinked(before) ? before.parentId : null,
  };
  const row = await tx.volume.update({ where: { id: before.id }, data });
  const after = written(before, row, data);
  return [{ type: 'Volume', id: before.id, before, after }];
}

/** It is of no use. What it claims stays claimed until its row goes: some of it may be there on the backend. */
export async function breakVolume(tx: Tx, before: Volume, reason: string): Promise<Change[]> {
  const data = {
    phase: 'ERROR',
    errorMessage: reason.slice(0, 1000),
    parentId: isLinked(before) ? before.parentId : null,
  } as const;
  const row = await tx.volume.update({ where: { id: before.id }, data });
  const after = written(before, row, data);
  return [{ type: 'Volume', id: before.id, before, after }];
}

/** It is gone: so is its row, and what it claimed is given back. */
export async function removeVolume(tx: Tx, volume: Volume): Promise<Change[]> {
  const { id, poolId, projectId, claimedBytes, sizeBytes } = volume;
  const { count } = await tx.volume.deleteMany({ where: { id, claimedBytes, sizeBytes } });
  if (count === 0) throw new ConflictError('Volume', null);
  await releaseSpace(tx, poolId, claimedBytes);
  await releaseQuota(tx, projectId, { volumes: 1, storageGib: gibOf(sizeBytes) });
  return [{ type: 'Volume', id, before: volume, after: null }, ...figures(volume)];
}

export { figures as volumeFigures };
