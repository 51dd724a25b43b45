/**
 * What a new volume is filled from. Its source is locked against deletion from here to the commit; from then on the new row
 * holds it: a copy of a volume has it as its parent until it is whole (a linked one for good), and an image counts its users.
 */
import { z } from 'zod';
import type { RunContext } from '../../core/command.js';
import { entityCalled, requireVisible } from '../../core/entity.js';
import { idOf, optional } from '../../core/input.js';
import { readKey } from '../../core/json-part.js';
import type { Tx } from '../../data/client.js';
import { BusyError, InvalidStateError, NotFoundError, ValidationError } from '../../errors.js';
import type { Image, VmSnapshot, Volume } from '../../gen/client/client.js';
import { requireIdle } from '../task/idle.js';
import { VolumeEntity } from './queries.js';
import { decideVolume, GIB, type SourceFacts } from './rules.js';

type Context = Pick<RunContext, 'tx' | 'viewer'>;

export const sourceInput = z.object({
  volumeId: optional(idOf('Volume')),
  snapshotId: optional(idOf('VirtualMachineSnapshot')),
  imageId: optional(idOf('Image')),
  linked: optional(z.boolean()),
});
export type SourceInput = z.output<typeof sourceInput>;

/** As `volumes.spec.source` keeps it. `volumeId`: of a snapshot, the volume that is copied as the snapshot holds it. */
const storedSource = z.object({
  type: z.enum(['CLONE', 'SNAPSHOT', 'IMAGE']),
  id: z.uuid(),
  volumeId: z.uuid().optional(),
  linked: z.literal(true).optional(),
});
export type StoredSource = z.output<typeof storedSource>;

/** Null: nothing, or something that an earlier release wrote and nobody can use. */
export function sourceOf({ spec }: Pick<Volume, 'spec'>): StoredSource | null {
  return storedSource.safeParse(readKey(spec, 'source')).data ?? null;
}

export interface Origin extends SourceFacts {
  readonly stored: StoredSource;
  /** The volume whose blocks are copied or shared; null for images. */
  readonly parentId: string | null;
}

/** The condition for images that a project may use: for everybody, its own, or published to it. */
export function imagesUsableBy(projectId: string) {
  return {
    OR: [{ projectId: null }, { public: true }, { projectId }, { shares: { some: { projectId } } }],
  };
}

/**
 * A volume of a machine, as a source: as it is, of one that is off, for nobody writes to it, and nobody will before the copy is
 * whole; else as a snapshot is going to hold it that is taken in the same transaction.
 * Its row is locked against growing and deletion until the commit; from then on the copy's `parent_id` holds it.
 */
export async function originOfAttached(
  { tx }: Pick<Context, 'tx'>,
  id: string,
  snapshot: { readonly id: string; readonly linked: boolean } | null,
): Promise<Origin> {
  await tx.$queryRaw`SELECT id FROM volumes WHERE id = ${id}::uuid FOR SHARE`;
  const volume = await tx.volume.findUniqueOrThrow({ where: { id } });
  if (volume.phase !== 'IN_USE') decideVolume('CLONE', volume.phase);
  await requireIdle(tx, { volumeId: id }, volume.name);
  return {
    poolId: volume.poolId,
    leastBytes: volume.sizeBytes,
    linked: snapshot?.linked ?? false,
    parentId: id,
    stored: snapshot
      ? { ...stored('SNAPSHOT', snapshot.id, snapshot.linked), volumeId: id }
      : stored('CLONE', id, false),
  };
}

/**
 * Finds the source and checks that the caller sees it, that the project may use it, and that it is in a state to be copied.
 * @param path the input field that names it
 */
export async function resolveSource(
  context: Context,
  projectId: string,
  source: SourceInput,
  path: readonly string[] = ['source'],
): Promise<Origin> {
  const { volumeId, snapshotId, imageId, linked = false } = source;
  if (imageId !== undefined && volumeId === undefined && snapshotId === undefined)
    return fromImage(context, projectId, imageId, linked, [...path, 'imageId']);
  if (volumeId === undefined || imageId !== undefined)
    throw ValidationError.of(path, 'give imageId, or volumeId, or snapshotId and volumeId');
  const at = path[0] === 'id' ? path : [...path, 'volumeId'];
  const volume = await lockVolume(context, projectId, volumeId, at);
  const facts = {
    poolId: volume.poolId,
    leastBytes: volume.sizeBytes,
    linked,
    parentId: volume.id,
  };
  if (snapshotId === undefined) {
    decideVolume('CLONE', volume.phase);
    return { ...facts, stored: stored('CLONE', volume.id, linked) };
  }
  await checkSnapshot(context, volume, snapshotId, [...path, 'snapshotId']);
  return { ...facts, stored: { ...stored('SNAPSHOT', snapshotId, linked), volumeId: volume.id } };
}

function stored(type: StoredSource['type'], id: string, linked: boolean): StoredSource {
  return { type, id, ...(linked ? { linked: true as const } : {}) };
}

async function lockVolume(
  { tx, viewer }: Context,
  projectId: string,
  id: string,
  path: readonly string[],
): Promise<Volume> {
  await requireVisible(tx, VolumeEntity, viewer, id, undefined, path);
  await tx.$queryRaw`SELECT id FROM volumes WHERE id = ${id}::uuid FOR SHARE`;
  const volume = await tx.volume.findUnique({ where: { id } });
  if (!volume) throw new NotFoundError('Volume', path);
  if (volume.projectId !== projectId)
    throw ValidationError.of(path, 'The Volume belongs to another project.');
  await requireIdle(tx, { volumeId: id }, volume.name);
  return volume;
}

async function checkSnapshot(
  { tx, viewer }: Context,
  volume: Volume,
  id: string,
  path: readonly string[],
): Promise<void> {
  const columns = { id: true, virtualMachineId: true };
  const snapshot = await requireVisible<Pick<VmSnapshot, 'virtualMachineId'>>(
    tx,
    entityCalled('VirtualMachineSnapshot'),
    viewer,
    id,
    columns,
    path,
  );
  if (volume.attachedVmId !== snapshot.virtualMachineId)
    throw ValidationError.of(path, 'is not of the machine that the volume is attached to');
  // Held until the commit: a deletion that begins now waits, and finds the new volume.
  const [held] = await tx.$queryRaw<{ state: string }[]>`
    SELECT state::text AS state FROM vm_snapshots WHERE id = ${id}::uuid FOR SHARE`;
  if (held?.state !== 'AVAILABLE')
    throw new InvalidStateError('Copying the snapshot', held?.state ?? 'GONE', []);
  const vm = await tx.virtualMachine.findUnique({ where: { id: snapshot.virtualMachineId } });
  if (vm?.desiredState === 'DELETED') {
    const why = 'Its machine is being deleted.';
    throw new InvalidStateError('Copying the snapshot', 'DELETING', [], why);
  }
}

async function fromImage(
  { tx, viewer }: Context,
  projectId: string,
  id: string,
  linked: boolean,
  path: readonly string[],
): Promise<Origin> {
  await requireVisible(tx, entityCalled('Image'), viewer, id, undefined, path);
  await tx.$queryRaw`SELECT id FROM images WHERE id = ${id}::uuid FOR SHARE`;
  const image = await tx.image.findFirst({ where: { AND: [{ id }, imagesUsableBy(projectId)] } });
  if (!image) throw ValidationError.of(path, 'The Image belongs to another project.');
  requireAvailable(image);
  if (image.format === 'ISO')
    throw ValidationError.of(path, 'is a disc to install from; put it into a CD-ROM drive');
  return {
    poolId: image.poolId,
    leastBytes: leastDiskOf(image),
    linked,
    parentId: null,
    stored: stored('IMAGE', id, linked),
  };
}

/** @throws InvalidStateError that says what became of its content */
export function requireAvailable({
  phase,
  errorMessage,
}: Pick<Image, 'phase' | 'errorMessage'>): void {
  if (phase === 'AVAILABLE') return;
  const hint = PHASE_HINTS[phase] ?? 'Wait until it is AVAILABLE.';
  throw new InvalidStateError('Using the image', phase, [], errorMessage || hint);
}

const PHASE_HINTS: Partial<Record<Image['phase'], string>> = {
  ERROR: 'Its content never came: delete it, and register it again.',
  DELETING: 'It is being deleted: use another one.',
};

function leastDiskOf({ minDiskGib, sizeBytes }: Image): bigint {
  const least = BigInt(minDiskGib) * GIB;
  const content = ((sizeBytes + GIB - 1n) / GIB) * GIB;
  return least > content ? least : content;
}

/**
 * Refuses while a full copy is made of the volume: it must not change under the agent's hands. Linked copies have a point in time
 * of their own.
 * @throws BusyError that names the copy's task
 */
export async function requireNotCopied(tx: Tx, volume: Volume): Promise<void> {
  const copy = await tx.volume.findFirst({ where: { parentId: volume.id, phase: 'CREATING' } });
  if (!copy) return;
  await requireIdle(tx, { volumeId: copy.id }, copy.name);
  throw new BusyError(`${copy.name} is being copied from ${volume.name}.`);
}
