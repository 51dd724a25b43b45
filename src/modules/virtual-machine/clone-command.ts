/**
 * Cloning a machine. FULL copies its volumes: of a machine that is off as they are, of any other as a snapshot holds them.
 * LINKED shares their blocks, which must not change any more: those of a snapshot.
 * For one that is not off a snapshot is taken first, unless one is given: by a task of its own, which the copy's task waits for.
 * After a FULL copy it goes again (controllers/snapshot-keeper.ts).
 * The clone gets MAC and IP addresses of its own.
 */
import { z } from 'zod';
import { may } from '../../core/authz.js';
import { defineCommand, type RunContext } from '../../core/command.js';
import { description, idOf, labels, name, optional } from '../../core/input.js';
import { ForbiddenError, ValidationError } from '../../errors.js';
import type { VirtualMachine, Volume } from '../../gen/client/client.js';
import { originOfAttached, resolveSource } from '../storage/volume-sources.js';
import { readIdle } from './begin.js';
import type { DiskPlan } from './disk-plans.js';
import { CREATION_ERRORS, makeMachine } from './make-vm.js';
import { VirtualMachineEntity } from './queries.js';
import { decide } from './rules.js';
import { readSpec, type VmSpec } from './spec.js';
import { takeSnapshot } from './take-snapshot.js';

export const CLONE_MODES = ['FULL', 'LINKED'] as const;

export const cloneVirtualMachine = defineCommand({
  name: 'virtualMachine.clone',
  resourceType: 'VirtualMachine',
  permission: 'vm:create',
  subject: (input: { id: string }) => ({ entity: VirtualMachineEntity, id: input.id }),
  input: z.object({
    id: idOf('VirtualMachine'),
    name,
    description: optional(description),
    labels: optional(labels),
    mode: optional(z.enum(CLONE_MODES)),
    snapshotId: optional(idOf('VirtualMachineSnapshot')),
    startOnCreate: optional(z.boolean()),
  }),
  errors: CREATION_ERRORS,
  label: (input) => input.name,
  async run(context, { id, mode = 'FULL', snapshotId, startOnCreate = false, ...fields }) {
    const source = await readIdle(context.tx, id);
    decide('CLONE', source.powerState, false);
    const spec = readSpec(source.spec);
    if (!spec) throw ValidationError.of(['id'], 'The machine was carried over without a spec.');
    const off = source.powerState === 'STOPPED';
    if (mode === 'LINKED' && snapshotId === undefined && off)
      throw ValidationError.of(
        ['snapshotId'],
        'is needed: a linked clone of a machine that is off shares the blocks of a snapshot',
      );
    const volumes = await context.tx.volume.findMany({
      where: { attachedVmId: source.id },
      orderBy: { id: 'asc' },
    });
    // Made up here: the new volumes name it, and it names the task that makes them.
    const own = snapshotId === undefined && !off && volumes.length > 0 ? context.newId() : null;
    if (own && !may(context.viewer, 'vm:snapshot', source.projectId))
      throw new ForbiddenError('vm:snapshot');
    const made = await makeMachine(context, {
      projectId: source.projectId,
      description: source.description,
      labels: source.labels as Record<string, string>,
      ...fields,
      spec: { ...spec, disks: undefined, nics: rewired(spec) },
      disks: await copies(context, source, volumes, spec, {
        name: fields.name,
        linked: mode === 'LINKED',
        snapshotId,
        own,
      }),
      start: startOnCreate,
      operation: 'CLONE',
      // The snapshot may take as long as a job may, and the copy has all of its own time after that.
      timeoutMs: own === null ? undefined : 2 * context.services.config.tasks.jobTimeoutMs,
    });
    const result = { virtualMachineId: made.vm.id, taskId: made.task?.id ?? null };
    if (own === null) return { result, changed: made.changed };
    const taken = await takeSnapshot(context, source, {
      id: own,
      name: await freeName(context, source.id, fields.name),
      description: `Taken for the clone ${fields.name}${mode === 'FULL' ? ': goes when that is made.' : ', which shares its blocks.'}`,
      discardAfterTaskId: mode === 'FULL' ? made.task?.id : undefined,
    });
    return { result, changed: [...made.changed, ...taken.changed] };
  },
});

function rewired(spec: VmSpec): VmSpec['nics'] {
  return spec.nics?.map((nic) => ({ ...nic, macAddress: undefined, ipAddresses: undefined }));
}

/** Names of snapshots are unique in their machine, and a clone of this name may have been made and deleted before. */
async function freeName({ tx }: RunContext, sourceId: string, clone: string): Promise<string> {
  const stem = `clone-${clone}`.slice(0, 56).replace(/-+$/, '');
  const rows = await tx.vmSnapshot.findMany({
    where: { virtualMachineId: sourceId, name: { startsWith: stem } },
    select: { name: true },
  });
  const taken = new Set(rows.map(({ name }) => name));
  let name = stem;
  for (let i = 2; taken.has(name); i += 1) name = `${stem}-${i}`;
  return name;
}

/** `own`: the snapshot that is taken for this copy. */
interface Copying {
  readonly name: string;
  readonly linked: boolean;
  readonly snapshotId: string | undefined;
  readonly own: string | null;
}

async function copies(
  context: RunContext,
  source: VirtualMachine,
  volumes: readonly Volume[],
  spec: VmSpec,
  { name, linked, snapshotId, own }: Copying,
): Promise<DiskPlan[]> {
  const plans: DiskPlan[] = [];
  for (const volume of volumes) {
    const disk = diskOf(spec, volume);
    const from = { volumeId: volume.id, snapshotId, linked };
    const origin =
      snapshotId === undefined
        ? await originOfAttached(context, volume.id, own === null ? null : { id: own, linked })
        : await resolveSource(context, source.projectId, from, []);
    plans.push({
      disk,
      volumeName: `${name}-${disk.name}`.slice(0, 63),
      poolId: volume.poolId,
      sizeBytes: volume.sizeBytes,
      provisioning: linked ? undefined : volume.provisioning,
      origin,
      at: [],
    });
  }
  return plans;
}

/** A volume that is attached without being in the spec, as earlier releases had them, becomes a disk under its own name. */
function diskOf(spec: VmSpec, volume: Volume): DiskPlan['disk'] {
  const found = spec.disks?.find((disk) => disk.volumeId === volume.id);
  if (!found) return { name: volume.name.slice(0, 32) };
  const { volumeId: _, ...disk } = found;
  return disk;
}
