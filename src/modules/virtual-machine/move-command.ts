/** Moving a machine to another project, with its volumes and snapshots: quota is taken there and given back here, in one transaction. */
import { z } from 'zod';
import { requireMay } from '../../core/authorize.js';
import { type Change, defineCommand, type RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, version } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { updateVersioned } from '../../core/versioned.js';
import {
  AlreadyExistsError,
  ConflictError,
  QuotaExceededError,
  type Usage,
  ValidationError,
} from '../../errors.js';
import type { VirtualMachine, Volume } from '../../gen/client/client.js';
import { capacityOf } from '../node/rules.js';
import { ProjectEntity } from '../project/queries.js';
import { claimQuota, releaseQuota } from '../project/quota.js';
import { VolumeEntity } from '../storage/queries.js';
import { gibOf } from '../storage/rules.js';
import { imagesUsableBy } from '../storage/volume-sources.js';
import { readIdle } from './begin.js';
import { usageChange } from './changes.js';
import { VirtualMachineEntity } from './queries.js';
import { readSpec } from './spec.js';

export const moveVirtualMachine = defineCommand({
  name: 'virtualMachine.move',
  resourceType: 'VirtualMachine',
  permission: 'vm:update',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    projectId: idOf('Project'),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError, QuotaExceededError],
  async run(context, { id, projectId, expectedVersion }) {
    const { tx, viewer } = context;
    await requireVisible(tx, ProjectEntity, viewer, projectId, { id: true }, ['projectId']);
    requireMay(viewer, 'vm:create', projectId);
    const before = await readIdle(tx, id);
    if (expectedVersion != null && before.version !== expectedVersion)
      throw new ConflictError('VirtualMachine', before.version);
    const result = { virtualMachineId: id };
    if (before.projectId === projectId) return { result, changed: [] };
    await refuseTies(context, before, projectId);
    await refuseTakenName(context, before.name, projectId);

    const volumes = await tx.volume.findMany({ where: { attachedVmId: id } });
    const held = {
      virtualMachines: 1,
      vcpus: capacityOf(before.resources).vcpus,
      memoryMib: capacityOf(before.resources).memoryMib,
      volumes: volumes.length,
      storageGib: volumes.reduce((sum, { sizeBytes }) => sum + gibOf(sizeBytes), 0),
      snapshots: await tx.vmSnapshot.count({ where: { virtualMachineId: id } }),
    };
    // In one order everywhere, so that two moves in opposite directions do not wait for each other.
    const steps = [
      { project: projectId, take: () => claimQuota(tx, projectId, held) },
      { project: before.projectId, take: () => releaseQuota(tx, before.projectId, held) },
    ].sort((a, b) => (a.project < b.project ? -1 : 1));
    for (const { take } of steps) await take();

    const after = await updateVersioned(tx, VirtualMachineEntity, before, { projectId });
    const moved: Change[] = [];
    for (const volume of volumes) {
      const now = await updateVersioned<Volume>(tx, VolumeEntity, volume, { projectId });
      moved.push({ type: 'Volume', id: volume.id, before: volume, after: now });
    }
    return {
      result,
      changed: [
        { type: 'VirtualMachine', id, before, after },
        ...moved,
        usageChange(before.projectId),
        usageChange(projectId),
      ],
    };
  },
});

async function refuseTakenName({ tx }: RunContext, name: string, projectId: string): Promise<void> {
  if ((await tx.virtualMachine.count({ where: { projectId, name, deletedAt: null } })) > 0)
    throw new AlreadyExistsError('VirtualMachine', 'name', name);
}

/** Groups, networks, images and pools that are its project's own cannot follow it: they are named, to be taken off first. */
async function refuseTies(
  { tx, viewer }: RunContext,
  vm: VirtualMachine,
  projectId: string,
): Promise<void> {
  const blocks = await sharedBlocks(tx, vm);
  if (blocks.length > 0)
    throw ValidationError.of(
      ['projectId'],
      `Volumes that share blocks stay in one project: ${blocks.join(', ')}. Copy them in full, or delete the linked ones first.`,
    );
  const spec = readSpec(vm.spec);
  const foreign = { not: projectId };
  const ties = await usesOf(tx, viewer, {
    SecurityGroup: {
      projectId: foreign,
      virtualMachines: { some: { virtualMachineId: vm.id } },
    },
    VirtualNetwork: {
      projectId: foreign,
      OR: [
        { id: { in: spec?.nics?.map((nic) => nic.networkId) ?? [] } },
        { networkInterfaces: { some: { virtualMachineId: vm.id } } }, // what it got, whatever it asked for
      ],
    },
    Image: {
      id: {
        in: [...(spec?.cdroms?.map((cdrom) => cdrom.imageId) ?? []), ...(await bases(tx, vm))],
      },
      NOT: imagesUsableBy(projectId),
    },
    StoragePool: { projectId: foreign, volumes: { some: { attachedVmId: vm.id } } },
  });
  if (ties.length > 0)
    throw ValidationError.of(
      ['projectId'],
      `It uses ${ties.map(inWords).join(', ')} of its project: detach first.`,
    );
}

/** Images that its volumes share blocks with. */
async function bases(tx: RunContext['tx'], { id }: VirtualMachine): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT DISTINCT i.id::text AS id FROM volumes v JOIN images i ON i.id::text = v.spec #>> '{source,id}'
    WHERE v.attached_vm_id = ${id}::uuid AND v.spec #> '{source,linked}' = 'true'`;
  return rows.map((row) => row.id);
}

const WORDS: Readonly<Record<string, string>> = {
  SecurityGroup: 'the security group',
  VirtualNetwork: 'the network',
  Image: 'the image',
  StoragePool: 'the storage pool',
};

/** An image that is not published to the caller's project any more is counted, and not named. */
function inWords({ type, count, names }: Usage): string {
  const rest = count - names.length;
  const named = names.map((name) => `${WORDS[type]} ${name}`);
  return [
    ...named,
    ...(rest > 0 ? [`${rest}${named.length > 0 ? ' more' : ''} ${type}`] : []),
  ].join(', ');
}

/**
 * The machine's volumes that share blocks with a volume outside of it, or are being copied: `<copy> of <source>`. Both are of
 * its own project; should an earlier release have left another, that is not named.
 */
async function sharedBlocks(tx: RunContext['tx'], vm: VirtualMachine): Promise<string[]> {
  const pairs = await tx.$queryRaw<{ copy: string | null; source: string | null }[]>`
    SELECT CASE WHEN c.project_id = ${vm.projectId}::uuid THEN c.name END AS copy,
           CASE WHEN p.project_id = ${vm.projectId}::uuid THEN p.name END AS source
    FROM volumes c JOIN volumes p ON p.id = c.parent_id
    WHERE (c.attached_vm_id = ${vm.id}::uuid) IS TRUE <> (p.attached_vm_id = ${vm.id}::uuid) IS TRUE
    ORDER BY c.name`;
  return pairs.map(({ copy, source }) => `${copy ?? 'a volume'} of ${source ?? 'a volume'}`);
}
