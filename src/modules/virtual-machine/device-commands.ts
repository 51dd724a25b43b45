/** Disks and CD-ROM drives of a machine: attaching and detaching. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, version } from '../../core/input.js';
import {
  InUseError,
  InvalidStateError,
  NoSuitableNodeError,
  ValidationError,
} from '../../errors.js';
import { NO_CAPACITY } from '../node/rules.js';
import { VolumeEntity } from '../storage/queries.js';
import { requireNotCopied } from '../storage/volume-sources.js';
import { isOff, type OperationResult } from './begin.js';
import { placementSettings, poolsOf, shortfall } from './place-vm.js';
import { VirtualMachineEntity } from './queries.js';
import { readForReconfiguration, reconfigure } from './reconfigure.js';
import { attachVolumes, checkReferences } from './references.js';
import { diskInput } from './spec.js';

const target = z.object({ virtualMachineId: idOf('VirtualMachine'), expectedVersion: version });
const common = {
  resourceType: 'VirtualMachine',
  permission: 'vm:update',
  subject: (input: { virtualMachineId: string }) => ({
    entity: VirtualMachineEntity,
    id: input.virtualMachineId,
    path: ['virtualMachineId'],
  }),
} as const;

export const attachVolume = defineCommand({
  ...common,
  name: 'virtualMachine.attachVolume',
  input: target.extend({ disk: diskInput }),
  errors: [InvalidStateError, InUseError, NoSuitableNodeError],
  async run(context, { virtualMachineId, disk, expectedVersion }) {
    const { tx, services } = context;
    const found = await readForReconfiguration(context, virtualMachineId, expectedVersion);
    const { before, spec } = found;
    await checkReferences(context, before.projectId, { disks: [disk] }, ['disk']);
    const attached = await attachVolumes(context, virtualMachineId, { disks: [disk] });
    for (const { after } of attached) await requireNotCopied(tx, after);
    if (before.nodeId && !isOff(before)) {
      const { nodeId } = before;
      const pools = await poolsOf(context, virtualMachineId);
      if (pools.some((pool) => pool.nodeIds.length > 0 && !pool.nodeIds.includes(nodeId))) {
        const settings = placementSettings(services);
        throw new NoSuitableNodeError([await shortfall(tx, nodeId, NO_CAPACITY, settings, pools)]);
      }
    }
    const next = { ...spec, disks: [...(spec.disks ?? []), disk] };
    return reconfigure(context, before, next, { attached });
  },
});

export const detachVolume = defineCommand({
  ...common,
  name: 'virtualMachine.detachVolume',
  input: target.extend({ volumeId: idOf('Volume') }),
  errors: [InvalidStateError, InUseError],
  async run(context, { virtualMachineId, volumeId, expectedVersion }) {
    const { tx, viewer } = context;
    const found = await readForReconfiguration(context, virtualMachineId, expectedVersion);
    const { before, spec } = found;
    const volume = await requireVisible<{
      attachedVmId: string | null;
      phase: string;
      snapshotCount: number;
    }>(
      tx,
      VolumeEntity,
      viewer,
      volumeId,
      { id: true, attachedVmId: true, phase: true, snapshotCount: true },
      ['volumeId'],
    );
    const result: OperationResult = { virtualMachineId, taskId: null };
    if (volume.attachedVmId === null) return { result, changed: [] };
    if (volume.attachedVmId !== virtualMachineId)
      throw ValidationError.of(['volumeId'], 'The volume is attached to another machine.');
    if (volume.phase !== 'IN_USE') throw new InvalidStateError('DETACH', volume.phase, []);
    // Reverting the machine takes all disks of a snapshot back, so they stay together.
    if (volume.snapshotCount > 0)
      throw new InUseError('Volume', [
        { type: 'VirtualMachineSnapshot', count: volume.snapshotCount, names: [] },
      ]);
    const disks = spec.disks?.filter((disk) => disk.volumeId !== volumeId);
    return reconfigure(context, before, { ...spec, disks }, { detached: [volumeId] });
  },
});

export const attachCdrom = defineCommand({
  ...common,
  name: 'virtualMachine.attachCdrom',
  input: target.extend({ imageId: idOf('Image') }),
  errors: [InvalidStateError],
  async run(context, { virtualMachineId, imageId, expectedVersion }) {
    const found = await readForReconfiguration(context, virtualMachineId, expectedVersion);
    const { before, spec } = found;
    const cdroms = spec.cdroms ?? [];
    await checkReferences(context, before.projectId, { cdroms: [{ imageId }] }, []);
    if (cdroms.some((cdrom) => cdrom.imageId === imageId))
      return { result: { virtualMachineId, taskId: null }, changed: [] };
    return reconfigure(context, before, { ...spec, cdroms: [...cdroms, { imageId }] });
  },
});

export const detachCdrom = defineCommand({
  ...common,
  name: 'virtualMachine.detachCdrom',
  input: target.extend({ imageId: idOf('Image') }),
  errors: [InvalidStateError],
  async run(context, { virtualMachineId, imageId, expectedVersion }) {
    const found = await readForReconfiguration(context, virtualMachineId, expectedVersion);
    const { before, spec } = found;
    const cdroms = spec.cdroms?.filter((cdrom) => cdrom.imageId !== imageId) ?? [];
    if (cdroms.length === (spec.cdroms?.length ?? 0))
      return { result: { virtualMachineId, taskId: null }, changed: [] };
    return reconfigure(context, before, { ...spec, cdroms });
  },
});
