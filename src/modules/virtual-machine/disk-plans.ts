/** Volumes that are made together with their machine: what a caller asks for, and what is checked before anything is written. */
import { z } from 'zod';
import type { RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, name, optional } from '../../core/input.js';
import { AlreadyExistsError, NotFoundError, ValidationError } from '../../errors.js';
import { VolumeProvisioning } from '../../gen/client/enums.js';
import { imageShortfalls } from '../image/rules.js';
import { StoragePoolEntity } from '../storage/queries.js';
import { GIB } from '../storage/rules.js';
import { type Origin, resolveSource, sourceInput } from '../storage/volume-sources.js';
import { diskInput, type VmResources, type VmSpec } from './spec.js';

/** A disk as in a spec, with what its volume is made of in place of the volume. */
export const newDiskInput = diskInput.omit({ volumeId: true }).extend({
  storagePoolId: idOf('StoragePool'),
  sizeGib: optional(z.number().int().min(1).max(65_536)),
  provisioning: optional(z.enum(VolumeProvisioning)),
  source: optional(sourceInput),
  volumeName: optional(name),
});
export const newDisksInput = optional(z.array(newDiskInput).max(64));
export type NewDisk = z.output<typeof newDiskInput>;

/** One volume that is to be made, and the disk that it is to be. */
export interface DiskPlan {
  readonly disk: Omit<NonNullable<VmSpec['disks']>[number], 'volumeId'>;
  readonly volumeName: string;
  readonly poolId: string;
  readonly sizeBytes: bigint | null;
  readonly provisioning: VolumeProvisioning | undefined;
  readonly origin: Origin | null;
  /** The input that asks for it; empty where none does. */
  readonly at: readonly string[];
}

/** What a disk's input calls the fields of its volume. */
const FIELDS: Readonly<Record<string, string>> = { poolId: 'storagePoolId', name: 'volumeName' };

/** A fault of a volume that is made for a machine, as one of the disk that asked for it. */
export function blamed(error: unknown, { at }: Pick<DiskPlan, 'at'>): unknown {
  if (at.length === 0) return error;
  const place = ([field = '', ...rest]: readonly string[]) => [
    ...at,
    FIELDS[field] ?? field,
    ...rest,
  ];
  if (error instanceof AlreadyExistsError)
    return new AlreadyExistsError('Volume', error.field, error.value, place(error.path));
  if (error instanceof ValidationError)
    return new ValidationError(
      error.issues.map((issue) => ({ ...issue, path: place(issue.path) })),
    );
  return error instanceof NotFoundError
    ? new NotFoundError(error.resourceType, place(error.path))
    : error;
}

/** Throws with the path of the culprit in `newDisks`. */
export async function planDisks(
  context: RunContext,
  projectId: string,
  machine: { readonly name: string; readonly resources: VmResources },
  disks: readonly NewDisk[],
): Promise<DiskPlan[]> {
  const plans: DiskPlan[] = [];
  for (const [i, wanted] of disks.entries()) {
    const path = ['newDisks', String(i)];
    const { storagePoolId, sizeGib, provisioning, source, volumeName, ...disk } = wanted;
    // Before placement looks at it: whose it is decides whether its name may be told.
    await requireVisible(context.tx, StoragePoolEntity, context.viewer, storagePoolId, undefined, [
      ...path,
      'storagePoolId',
    ]);
    const origin = source
      ? await resolveSource(context, projectId, source, [...path, 'source'])
      : null;
    if (source?.imageId !== undefined)
      await requireRoom(context, source.imageId, machine.resources, sizeGib, path);
    if (origin === null && sizeGib === undefined)
      throw ValidationError.of([...path, 'sizeGib'], 'is needed for an empty volume');
    plans.push({
      disk,
      volumeName: volumeName ?? `${machine.name}-${disk.name}`.slice(0, 63),
      poolId: storagePoolId,
      sizeBytes: sizeGib === undefined ? null : BigInt(sizeGib) * GIB,
      provisioning,
      origin,
      at: path,
    });
  }
  requireOneSnapshot(plans);
  return plans;
}

async function requireRoom(
  { tx }: RunContext,
  imageId: string,
  { vcpus, memoryMib }: VmResources,
  diskGib: number | undefined,
  path: readonly string[],
): Promise<void> {
  const image = await tx.image.findUniqueOrThrow({ where: { id: imageId } });
  const given = { vcpus, memoryMib, ...(diskGib === undefined ? {} : { diskGib }) };
  const issues = imageShortfalls(image, given).map(({ resource, message }) => ({
    path:
      resource === 'diskGib'
        ? [...path, 'sizeGib']
        : ['spec', resource === 'vcpus' ? 'cpu' : 'memory'],
    message,
  }));
  if (issues.length > 0) throw new ValidationError(issues);
}

/** The machine's one job can go back to one point in time. */
function requireOneSnapshot(plans: readonly DiskPlan[]): void {
  const snapshots = plans.flatMap(({ origin }) =>
    origin?.stored.type === 'SNAPSHOT' ? [origin.stored.id] : [],
  );
  if (new Set(snapshots).size > 1)
    throw ValidationError.of(['newDisks'], 'the sources must be of one snapshot');
}
