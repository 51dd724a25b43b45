/** New machines: row, interfaces, volumes, quota and tasks in one transaction. Everything has been checked; what races is judged by the rows that it claims. */
import type { Change, RunContext } from '../../core/command.js';
import { present } from '../../core/input.js';
import {
  AlreadyExistsError,
  BusyError,
  InvalidStateError,
  type NodeVerdict,
  NoSuitableNodeError,
  PoolExhaustedError,
  QuotaExceededError,
  SubnetExhaustedError,
} from '../../errors.js';
import type { Prisma, Task, VirtualMachine, Volume } from '../../gen/client/client.js';
import { claimQuota } from '../project/quota.js';
import { pickExecutor } from '../storage/executor.js';
import { addVolume } from '../storage/make-volume.js';
import { newTask } from '../task/begin.js';
import { beginJob } from './begin.js';
import { usageChange } from './changes.js';
import { blamed, type DiskPlan } from './disk-plans.js';
import { additionChanges, attachInterfaces } from './interfaces.js';
import { choosePlacement, placementSettings, poolsFor, requestForNew } from './place-vm.js';
import type { ProvisionDetails } from './provision-kinds.js';
import { attachVolumes, groupIdsOf } from './references.js';
import { resourcesOf, type VmSpec } from './spec.js';
import { beginStart } from './start.js';

/** What making a machine can be refused with, but for what is said of addresses that the caller asks for. */
export const CREATION_ERRORS = [
  AlreadyExistsError,
  QuotaExceededError,
  PoolExhaustedError,
  NoSuitableNodeError,
  InvalidStateError,
  SubnetExhaustedError,
  BusyError,
] as const;

export interface NewMachine {
  readonly projectId: string;
  readonly name: string;
  readonly description?: string | undefined;
  readonly labels?: Record<string, string> | undefined;
  readonly deletionProtected?: boolean | undefined;
  readonly spec: VmSpec;
  readonly disks: readonly DiskPlan[];
  readonly start: boolean;
  /** What the task is called that makes its volumes. */
  readonly operation: 'PROVISION' | 'CLONE';
  /** How long that task may take; as any job, if not given. */
  readonly timeoutMs?: number | undefined;
}

export interface Made {
  readonly vm: VirtualMachine;
  readonly task: Task | null;
  readonly placement: readonly NodeVerdict[];
  readonly changed: Change[];
}

/**
 * The quota's row is locked late, so that parallel creations wait for each other as briefly as possible, and addresses, which
 * machines of other projects wait for, come after it. Placement is decided, not claimed: a machine that is off holds no node.
 */
export async function makeMachine(context: RunContext, wanted: NewMachine): Promise<Made> {
  const { tx, viewer, newId, services } = context;
  const { projectId, spec, name, description, labels, deletionProtected } = wanted;
  const resources = resourcesOf(spec);
  const pools = await poolsFor(
    context,
    wanted.disks.map(({ poolId }) => poolId),
    (spec.disks ?? []).map(({ volumeId }) => volumeId),
  );
  const request = { ...requestForNew(spec), pools };
  const settings = placementSettings(services);
  const { placement, candidates } = await choosePlacement(tx, projectId, request, settings);
  const best = candidates.find((node) => node.id === placement.ranked[0]);
  const id = newId();
  const { vcpus, memoryMib } = resources;
  await claimQuota(tx, projectId, { virtualMachines: 1, vcpus, memoryMib });
  const bare = await tx.virtualMachine.create({
    data: {
      id,
      projectId,
      name,
      ...present({ description, labels, deletionProtected }),
      spec: spec as object,
      resources: { ...resources },
      clusterId: best?.clusterId ?? null,
      createdById: viewer.userId,
    },
  });
  await joinGroups(context, id, spec);
  const nics = (spec.nics ?? []).map((nic, i) => ({
    nic,
    position: i,
    path: ['spec', 'nics', String(i)],
  }));
  const wires = await attachInterfaces(context, bare, nics);
  const attached = await attachVolumes(context, id, spec);
  const { vm, volumes, changed } = await addDisks(context, bare, wanted);
  const created: Change[] = [
    { type: 'VirtualMachine', id, before: null, after: vm },
    ...additionChanges(vm, wires),
    ...attached.map((v) => ({ type: 'Volume', id: v.after.id, ...v })),
    ...changed,
    usageChange(projectId),
  ];
  const verdicts = placement.verdicts;
  if (volumes.length > 0) {
    const task = await beginProvisioning(context, vm, volumes, wanted);
    return { vm, task, placement: verdicts, changed: [...created, newTask(task)] };
  }
  if (!wanted.start) return { vm, task: null, placement: verdicts, changed: created };
  const started = await beginStart(context, vm);
  const all = [...created, ...started.changed];
  return { vm: started.after, task: started.task, placement: verdicts, changed: all };
}

async function joinGroups({ tx }: RunContext, id: string, spec: VmSpec): Promise<void> {
  const data = groupIdsOf(spec).map((securityGroupId) => ({
    virtualMachineId: id,
    securityGroupId,
  }));
  if (data.length > 0) await tx.vmSecurityGroup.createMany({ data });
}

/** Volumes belong to their machine from the beginning, and its spec names them. */
async function addDisks(
  context: RunContext,
  vm: VirtualMachine,
  { disks, projectId, spec }: NewMachine,
): Promise<{ vm: VirtualMachine; volumes: Volume[]; changed: Change[] }> {
  const volumes: Volume[] = [];
  const changed: Change[] = [];
  for (const { volumeName, disk: _, at, ...plan } of disks) {
    const wanted = { ...plan, projectId, name: volumeName, attachedVmId: vm.id };
    const made = await addVolume(context, wanted).catch((error: unknown) => {
      throw blamed(error, { at });
    });
    volumes.push(made.volume);
    changed.push(...made.changed);
  }
  if (volumes.length === 0) return { vm, volumes, changed };
  const made = disks.map(({ disk }, i) => ({ ...disk, volumeId: volumes[i]?.id ?? '' }));
  const whole = { ...spec, disks: [...(spec.disks ?? []), ...made] };
  const after = await context.tx.virtualMachine.update({
    where: { id: vm.id },
    data: { spec: whole as object },
  });
  return { vm: after, volumes, changed };
}

async function beginProvisioning(
  context: RunContext,
  vm: VirtualMachine,
  volumes: readonly Volume[],
  { disks, start, operation, timeoutMs }: NewMachine,
): Promise<Task> {
  const poolIds = disks.flatMap(({ poolId, origin }) => [poolId, origin?.poolId ?? poolId]);
  const details: ProvisionDetails = {
    volumeIds: volumes.map(({ id }) => id),
    poolIds: [...new Set(poolIds)],
    start,
  };
  const nodeId = await pickExecutor(context, details.poolIds);
  const columns = { nodeId, details: { ...details } as Prisma.InputJsonObject };
  return beginJob(context, vm, operation, columns, timeoutMs);
}
