/** What a new virtual machine refers to: each must exist, be visible to the caller, and belong to the project or be shared. */
import type { RunContext } from '../../core/command.js';
import { delegateOf, type Entity } from '../../core/entity.js';
import { readKey } from '../../core/json-part.js';
import { usesOf } from '../../core/usage.js';
import type { Tx } from '../../data/client.js';
import { ConflictError, InUseError, NotFoundError, ValidationError } from '../../errors.js';
import type { Volume } from '../../gen/client/client.js';
import { ClusterEntity } from '../cluster/queries.js';
import { ImageEntity } from '../image/queries.js';
import { VirtualNetworkEntity } from '../network/queries.js';
import { NodeEntity } from '../node/queries.js';
import { SecurityGroupEntity } from '../security/queries.js';
import { VolumeEntity } from '../storage/queries.js';
import { linkedTo } from '../storage/sharing.js';
import { imagesUsableBy, requireAvailable } from '../storage/volume-sources.js';
import type { Nic, VmSpec } from './spec.js';

type Context = Pick<RunContext, 'tx' | 'viewer'>;

/** Finds all ids in one statement; the first that is missing, hidden, or of another project is blamed by its path. */
async function requireAll(
  { tx, viewer }: Context,
  entity: Entity,
  wanted: readonly { id: string; path: readonly string[] }[],
  projectId: string,
): Promise<Map<string, Record<string, unknown>>> {
  if (wanted.length === 0) return new Map();
  const rows = await delegateOf(tx, entity.model).findMany({
    where: { AND: [{ id: { in: wanted.map((w) => w.id) } }, entity.visibility.where(viewer)] },
  });
  const found = new Map(rows.map((row) => [String(row.id), row]));
  for (const { id, path } of wanted) {
    const row = found.get(id);
    if (!row) throw new NotFoundError(entity.type, path);
    const owner = entity.projectColumn ? row[entity.projectColumn] : null;
    if (owner !== null && owner !== projectId) {
      throw ValidationError.of(path, `The ${entity.type} belongs to another project.`);
    }
  }
  return found;
}

/**
 * Checks every reference of the spec. Throws NotFoundError or ValidationError with the path of the culprit.
 * @param base the path of the input that the one part stands in, when it is not a whole spec
 */
export async function checkReferences(
  context: Context,
  projectId: string,
  spec: Pick<VmSpec, 'disks' | 'nics' | 'cdroms' | 'placement'>,
  base?: readonly string[],
): Promise<void> {
  const { disks = [], nics = [], cdroms = [], placement } = spec;
  const at = (list: string, index: number, field: string) =>
    base ? [...base, field] : ['spec', list, String(index), field];
  const volumes = await requireAll(
    context,
    VolumeEntity,
    disks.map((d, i) => ({ id: d.volumeId, path: at('disks', i, 'volumeId') })),
    projectId,
  );
  for (const [i, disk] of disks.entries()) {
    const volume = volumes.get(disk.volumeId) as unknown as Volume;
    if (volume.phase !== 'READY') {
      throw ValidationError.of(
        at('disks', i, 'volumeId'),
        `The volume ${volume.name} is ${volume.phase}; only a READY one can be attached.`,
      );
    }
  }
  const wired = nics.map((nic, i) => ({ nic, path: ['spec', 'nics', String(i)] }));
  await checkNics(context, projectId, wired);
  const discs = cdroms.map((c, i) => ({ id: c.imageId, path: at('cdroms', i, 'imageId') }));
  await checkImages(context, projectId, discs);
  if (placement?.clusterId) {
    await requireAll(
      context,
      ClusterEntity,
      [{ id: placement.clusterId, path: ['spec', 'placement', 'clusterId'] }],
      projectId,
    );
  }
  const nodes = (['requiredNodeIds', 'excludedNodeIds'] as const).flatMap((field) =>
    (placement?.[field] ?? []).map((id) => ({ id, path: ['spec', 'placement', field] })),
  );
  await requireAll(context, NodeEntity, nodes, projectId);
}

/** Images are held until the commit: one that is being deleted or taken from the project now waits, and finds its user. */
async function checkImages(
  { tx, viewer }: Context,
  projectId: string,
  wanted: readonly { id: string; path: readonly string[] }[],
): Promise<void> {
  if (wanted.length === 0) return;
  const ids = [...new Set(wanted.map(({ id }) => id))].sort();
  await tx.$queryRaw`SELECT id FROM images WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR SHARE`;
  const where = { id: { in: ids } };
  const seen = await tx.image.findMany({
    where: { AND: [where, ImageEntity.visibility.where(viewer)] },
  });
  const usable = await tx.image.findMany({
    where: { AND: [where, imagesUsableBy(projectId)] },
    select: { id: true },
  });
  for (const { id, path } of wanted) {
    const image = seen.find((row) => row.id === id);
    if (!image) throw new NotFoundError('Image', path);
    if (!usable.some((row) => row.id === id))
      throw ValidationError.of(path, 'The Image belongs to another project.');
    requireAvailable(image);
  }
}

/** Checks what network interfaces refer to; `path`: the input that each came from. */
export async function checkNics(
  context: Context,
  projectId: string,
  wanted: readonly { nic: Nic; path: readonly string[] }[],
): Promise<void> {
  const networks = wanted.map(({ nic, path }) => ({
    id: nic.networkId,
    path: [...path, 'networkId'],
  }));
  await requireAll(context, VirtualNetworkEntity, networks, projectId);
  for (const { nic, path } of wanted) await checkGroups(context, projectId, nic, path);
}

/** Checks that security groups are of the project. */
export async function checkGroups(
  context: Context,
  projectId: string,
  { securityGroupIds = [] }: Pick<Nic, 'securityGroupIds'>,
  path: readonly string[],
): Promise<void> {
  const groups = securityGroupIds.map((id) => ({ id, path: [...path, 'securityGroupIds'] }));
  await requireAll(context, SecurityGroupEntity, groups, projectId);
}

/**
 * Attaches READY volumes: each by one conditional update, so that of two who want the same one, one gets it.
 * @throws InUseError naming the linked copies of one that the machine would write to
 */
export async function attachVolumes(
  { tx, viewer }: Context,
  vmId: string,
  spec: Pick<VmSpec, 'disks'>,
): Promise<{ before: Volume; after: Volume }[]> {
  const attached: { before: Volume; after: Volume }[] = [];
  for (const { volumeId } of spec.disks ?? []) {
    const [after] = await tx.volume.updateManyAndReturn({
      where: { id: volumeId, phase: 'READY', attachedVmId: null },
      data: { phase: 'IN_USE', attachedVmId: vmId },
    });
    if (!after) throw new ConflictError('Volume', null);
    attached.push({ before: { ...after, phase: 'READY', attachedVmId: null }, after });
  }
  // Written first, looked at then: a linked copy that begins now waits for this row, and finds it in use.
  const written = attached.flatMap(({ after }) =>
    readKey(after.spec, 'accessMode') === 'READ_ONLY_MANY' ? [] : [after.id],
  );
  const sharing = written.length > 0 ? await usesOf(tx, viewer, { Volume: linkedTo(written) }) : [];
  if (sharing.length > 0) throw new InUseError('Volume', sharing);
  return attached;
}

/** Frees what the machine has attached, or these volumes of it. */
export async function detachVolumes(
  tx: Tx,
  vmId: string,
  volumeIds?: readonly string[],
): Promise<{ before: Volume; after: Volume }[]> {
  const where = { attachedVmId: vmId, ...(volumeIds ? { id: { in: [...volumeIds] } } : {}) };
  const held = new Map((await tx.volume.findMany({ where })).map((volume) => [volume.id, volume]));
  const free = { attachedVmId: null, devicePath: '' };
  // One that is broken stays so: only its owner can tell what it still holds.
  const broken = { ...where, phase: 'ERROR' } as const;
  const freed = [
    ...(await tx.volume.updateManyAndReturn({ where: broken, data: free })),
    ...(await tx.volume.updateManyAndReturn({ where, data: { ...free, phase: 'READY' } })),
  ];
  return freed.flatMap((after) => {
    const before = held.get(after.id);
    return before ? [{ before, after }] : [];
  });
}

export function groupIdsOf(spec: VmSpec): string[] {
  return [...new Set((spec.nics ?? []).flatMap((nic) => nic.securityGroupIds ?? []))];
}
