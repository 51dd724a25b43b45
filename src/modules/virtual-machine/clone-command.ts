/**
 * Cloning a machine. FULL copies its volumes: of a machine that is off as they are, of any other as a snapshot holds them.
 * LINKED shares their blocks, which must not change any more: those of a snapshot.
 * The clone gets MAC and IP addresses of its own.
 */
import { z } from 'zod';
import { defineCommand, type RunContext } from '../../core/command.js';
import { description, idOf, labels, name, optional } from '../../core/input.js';
import { InvalidStateError, ValidationError } from '../../errors.js';
import type { VirtualMachine, Volume } from '../../gen/client/client.js';
import { originOfAttached, resolveSource } from '../storage/volume-sources.js';
import { readIdle } from './begin.js';
import type { DiskPlan } from './disk-plans.js';
import { CREATION_ERRORS, makeMachine } from './make-vm.js';
import { VirtualMachineEntity } from './queries.js';
import { allowedOperations, decide } from './rules.js';
import { readSpec, type VmSpec } from './spec.js';

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
    if (mode === 'LINKED' && snapshotId === undefined)
      throw ValidationError.of(['snapshotId'], 'a linked clone shares the blocks of a snapshot');
    if (snapshotId === undefined && source.powerState !== 'STOPPED') {
      const why = 'Stop it, or give a snapshot to clone from.';
      const allowed = allowedOperations(source.powerState);
      throw new InvalidStateError('CLONE', source.powerState, allowed, why);
    }
    const made = await makeMachine(context, {
      projectId: source.projectId,
      description: source.description,
      labels: source.labels as Record<string, string>,
      ...fields,
      spec: { ...spec, disks: undefined, nics: rewired(spec) },
      disks: await copies(context, source, spec, fields.name, mode === 'LINKED', snapshotId),
      start: startOnCreate,
      operation: 'CLONE',
    });
    return {
      result: { virtualMachineId: made.vm.id, taskId: made.task?.id ?? null },
      changed: made.changed,
    };
  },
});

function rewired(spec: VmSpec): VmSpec['nics'] {
  return spec.nics?.map((nic) => ({ ...nic, macAddress: undefined, ipAddresses: undefined }));
}

async function copies(
  context: RunContext,
  source: VirtualMachine,
  spec: VmSpec,
  name: string,
  linked: boolean,
  snapshotId: string | undefined,
): Promise<DiskPlan[]> {
  const volumes = await context.tx.volume.findMany({
    where: { attachedVmId: source.id },
    orderBy: { id: 'asc' },
  });
  const plans: DiskPlan[] = [];
  for (const volume of volumes) {
    const disk = diskOf(spec, volume);
    const from = { volumeId: volume.id, snapshotId, linked };
    const origin =
      snapshotId === undefined
        ? await originOfAttached(context, volume.id)
        : await resolveSource(context, source.projectId, from, []);
    plans.push({
      disk,
      volumeName: `${name}-${disk.name}`.slice(0, 63),
      poolId: volume.poolId,
      sizeBytes: volume.sizeBytes,
      provisioning: linked ? undefined : volume.provisioning,
      origin,
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
