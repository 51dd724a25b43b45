/**
 * The phases of a volume and what may be done in each: one table; what volumes take of their pool and their project. Pure.
 * The tests run every pair of it; docs/states.md is printed from it.
 */
import { InvalidStateError, ValidationError } from '../../errors.js';
import type { VolumePhase, VolumeProvisioning } from '../../gen/client/enums.js';

export type VolumeOperation = 'ATTACH' | 'DETACH' | 'GROW' | 'CLONE' | 'PROMOTE' | 'DELETE';

interface OperationRule {
  readonly from: readonly VolumePhase[];
  /** While it is done, or once it is; null: it stays what it is. */
  readonly to: VolumePhase | null;
  /** What to do instead, by phase. */
  readonly hints: Partial<Record<VolumePhase, string>>;
}

const BROKEN = 'Its error message says why; delete it.';

export const VOLUME_OPERATIONS: Readonly<Record<VolumeOperation, OperationRule>> = {
  ATTACH: {
    from: ['READY'],
    to: 'IN_USE',
    hints: { IN_USE: 'Detach it from its machine first.', ERROR: BROKEN },
  },
  DETACH: { from: ['IN_USE'], to: 'READY', hints: {} },
  GROW: { from: ['READY', 'IN_USE'], to: 'RESIZING', hints: { ERROR: BROKEN } },
  CLONE: {
    from: ['READY'],
    to: null,
    hints: { IN_USE: 'Detach it first, or copy it from a snapshot.', ERROR: BROKEN },
  },
  PROMOTE: {
    from: ['IN_USE'],
    to: null,
    hints: { READY: 'Attach it to a machine, or copy it in full.', ERROR: BROKEN },
  },
  DELETE: {
    // Those that are being made or deleted have a task, which is asked first: without one, nobody is at work on them any more.
    from: ['READY', 'ERROR', 'CREATING', 'DELETING'],
    to: 'DELETING',
    hints: { IN_USE: 'Detach it from its machine first.' },
  },
};

export function allowedVolumeOperations(phase: VolumePhase): VolumeOperation[] {
  const all = Object.keys(VOLUME_OPERATIONS) as VolumeOperation[];
  return all.filter((name) => VOLUME_OPERATIONS[name].from.includes(phase));
}

/** @throws InvalidStateError naming the phase and what is possible instead */
export function decideVolume(operation: VolumeOperation, phase: VolumePhase): void {
  const { from, hints } = VOLUME_OPERATIONS[operation];
  if (from.includes(phase)) return;
  throw new InvalidStateError(operation, phase, allowedVolumeOperations(phase), hints[phase]);
}

/** The phase of a volume that nothing is being done to. */
export function settledPhase(volume: { attachedVmId: string | null }): VolumePhase {
  return volume.attachedVmId === null ? 'READY' : 'IN_USE';
}

export const GIB = 1n << 30n;
/** As the API of virtual machines says it: a disk has up to 65,536 GiB. */
export const MAX_SIZE_BYTES = 65_536n * GIB;
const MIN_SIZE_BYTES = 1n << 20n;
const BLOCK_BYTES = 512n;
const MILLION = 1_000_000n;

/** What a quota in GiB counts for a volume: begun ones count whole. */
export function gibOf(sizeBytes: bigint): number {
  return Number((sizeBytes + GIB - 1n) / GIB);
}

export function sizeInWords(sizeBytes: bigint): string {
  const bytes = `${sizeBytes} bytes`;
  return sizeBytes % GIB === 0n ? `${sizeBytes / GIB} GiB (${bytes})` : bytes;
}

/** What a volume sets aside in its pool: all of it when it is thick, its share by overcommit when it is thin. */
export function claimOf(
  provisioning: VolumeProvisioning,
  sizeBytes: bigint,
  thinOvercommit: number,
): bigint {
  if (provisioning !== 'THIN') return sizeBytes;
  const ratio = BigInt(Math.round(thinOvercommit * Number(MILLION)));
  return (sizeBytes * MILLION + ratio - 1n) / ratio;
}

/**
 * The size in bytes that a caller asks for, in one of two units; null: none was given.
 * @throws ValidationError with the path of the culprit
 */
export function wantedSize(input: {
  readonly sizeGib?: number | undefined;
  readonly sizeBytes?: bigint | undefined;
}): bigint | null {
  const { sizeGib, sizeBytes } = input;
  if (sizeGib !== undefined && sizeBytes !== undefined)
    throw ValidationError.of(['sizeBytes'], 'give either sizeGib or sizeBytes');
  if (sizeGib !== undefined) return BigInt(sizeGib) * GIB;
  if (sizeBytes === undefined) return null;
  if (sizeBytes < MIN_SIZE_BYTES || sizeBytes > MAX_SIZE_BYTES || sizeBytes % BLOCK_BYTES !== 0n)
    throw ValidationError.of(['sizeBytes'], 'must be a multiple of 512, from 1 MiB to 65,536 GiB');
  return sizeBytes;
}

/** The first content of a new volume, as far as rules look at it. */
export interface SourceFacts {
  readonly poolId: string | null;
  readonly leastBytes: bigint;
  readonly linked: boolean;
}

/**
 * The size of a new volume: what is asked for, or what its source needs.
 * @throws ValidationError when it is too small for its source, or shares blocks that it cannot share
 */
export function checkNewVolume(
  wanted: bigint | null,
  volume: { readonly poolId: string; readonly provisioning: VolumeProvisioning },
  source: SourceFacts | null,
): bigint {
  if (wanted === null && source === null)
    throw ValidationError.of(['sizeGib'], 'is needed for an empty volume');
  const sizeBytes = wanted ?? source?.leastBytes ?? 0n;
  if (source === null) return sizeBytes;
  if (sizeBytes < source.leastBytes)
    throw ValidationError.of(
      ['sizeGib'],
      `its source needs ${sizeInWords(source.leastBytes)} at least`,
    );
  if (source.linked && source.poolId !== volume.poolId)
    throw ValidationError.of(['poolId'], 'a linked volume is in the pool of its source');
  if (source.linked && volume.provisioning !== 'THIN')
    throw ValidationError.of(['provisioning'], 'a linked volume is THIN');
  return sizeBytes;
}
