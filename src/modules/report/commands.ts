/**
 * `reportNode`: an agent says what is, and is told what should be. Level-triggered, like kubelet and API server:
 * every report is whole, every answer follows from the rows as they are, and losing any message loses nothing.
 */
import { type Change, defineCommand, type RunContext } from '../../core/command.js';
import { written } from '../../core/versioned.js';
import { ForbiddenError, NotFoundError } from '../../errors.js';
import type { Task, VirtualMachine } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { storeNodeMetrics } from '../metrics/store.js';
import { admitCapacity, releaseCapacity } from '../node/capacity.js';
import { NodeEntity } from '../node/queries.js';
import { capacityOf } from '../node/rules.js';
import { endTask, lockMachine, recordProgress } from '../task/end.js';
import { isJob, kindOf } from '../task/kinds.js';
import { UNFINISHED } from '../task/rules.js';
import { type DeleteDetails, discardVirtualMachine } from '../virtual-machine/bin.js';
import { capacityChange } from '../virtual-machine/changes.js';
import { readSpec, type VmSpec } from '../virtual-machine/spec.js';
import { raiseFoundOff, wentDown } from './found-off.js';
import { recordHeartbeat, recordNode } from './heartbeat.js';
import { type ObservedVm, type Report, reportInput } from './input.js';
import { followJobs, type JobResultPart } from './jobs.js';
import { needsAssignment, observe, occupies, type Verdict } from './rules.js';

/** One virtual machine that an agent must do something about. Plain JSON with public ids. */
export interface AssignmentResult {
  readonly virtualMachineId: string;
  readonly name: string;
  readonly desiredState: VirtualMachine['desiredState'];
  readonly operation: Task['operation'] | null;
  readonly generation: number;
  readonly force: boolean;
  readonly graceMs: number;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly guestOs: string | null;
  readonly spec: VmSpec | null;
}

export interface ReportResult {
  /** False: an older report than one that was taken already; it changed nothing. */
  readonly accepted: boolean;
  readonly assignments: readonly AssignmentResult[];
  /** Machines that do not belong on the node: to be stopped and forgotten there. */
  readonly unknown: readonly string[];
  /** Everything else that the agent is to do, or has not yet reported as ended. */
  readonly jobs: readonly JobResultPart[];
  readonly reportIntervalMs: number;
}

interface Situation {
  readonly vms: readonly VirtualMachine[];
  /** Of virtual machines whose desired state is on its way, by machine. */
  readonly tasks: ReadonlyMap<string, Task>;
  /** All that this node has to do. */
  readonly unfinished: readonly Task[];
  readonly seen: ReadonlyMap<string, ObservedVm>;
}

export const reportNode = defineCommand<typeof reportInput, ReportResult>({
  name: 'node.report',
  resourceType: 'HypervisorNode',
  permission: 'node:report',
  subject: (input) => ({ entity: NodeEntity, id: input.nodeId, path: ['nodeId'] }),
  input: reportInput,
  errors: [],
  audit: 'changes',
  unlocked:
    'its first statement holds the row of the node, so reports of one node wait for each other; while etcd is away nodes shall be heard',
  async run(context, report) {
    const { tx, now, services } = context;
    const reportIntervalMs = services.config.agent.reportIntervalMs;
    const accepted = await recordHeartbeat(tx, report, now);
    const node = await tx.node.findUnique({ where: { id: report.nodeId } });
    if (!node) throw new NotFoundError('HypervisorNode', ['nodeId']);
    // Its tokens have ended; an instance that remembers one for a moment longer must not listen either.
    if (node.intent === 'DECOMMISSIONED') throw new ForbiddenError('node:report');
    if (!accepted) {
      return {
        result: { accepted, assignments: [], unknown: [], jobs: [], reportIntervalMs },
        changed: [],
      };
    }
    const changed: Change[] = await recordNode(tx, node, report, now);
    const { vms, tasks, unfinished, seen } = await readSituation(context, report);
    const assignments: AssignmentResult[] = [];
    const removed = new Set<string>();
    for (const vm of vms) {
      const observation = seen.get(vm.id) ?? null;
      const task = tasks.get(vm.id) ?? null;
      const verdict = observe({ ...vm, arriving: task?.operation === 'MIGRATE' }, observation);
      if (verdict.gone) {
        removed.add(vm.id);
        const details = task?.details as DeleteDetails | undefined;
        // Held and read anew: an edit that came in meanwhile is told by its own entry, not by the one of the deletion.
        await lockMachine(context, { virtualMachineId: vm.id });
        const present = await tx.virtualMachine.findFirst({
          where: { id: vm.id, generation: vm.generation, deletedAt: null },
        });
        if (!present) continue; // somebody decided otherwise; the next report finds the new state of things
        const permanently = details?.permanently === true;
        changed.push(...(await discardVirtualMachine(context, present, permanently)));
        if (task) changed.push(...(await conclude(context, task, verdict)));
        continue;
      }
      const after = await applyVerdict(context, vm, verdict, observation, changed);
      if (wentDown(vm, after, task !== null)) changed.push(await raiseFoundOff(context, after));
      if (task) changed.push(...(await followTask(context, task, vm, verdict, observation)));
      if (needsAssignment(after, observation))
        assignments.push(
          assignmentFor(after, verdict.taskEnd ? null : task, services.config.tasks),
        );
    }
    const { jobs, changed: followed } = await followJobs(context, unfinished, report.jobs);
    changed.push(...followed);
    const placed = new Set(vms.map((vm) => vm.id));
    const unknown = [...seen.keys()].filter((id) => !placed.has(id) || removed.has(id));
    return {
      result: {
        accepted,
        assignments,
        unknown: unknown.map((id) => encodeGlobalId('VirtualMachine', id)),
        jobs: jobs.map(({ poolConfiguration: _secret, ...job }) => job),
        reportIntervalMs,
      },
      once: { jobs }, // with the secrets of pools, which must not be kept with an idempotency key
      changed,
    };
  },
  async after(call, result, _prepared, report) {
    if (result.accepted) await storeNodeMetrics(call.services, report);
  },
});

async function readSituation({ tx }: RunContext, report: Report): Promise<Situation> {
  const vms = await tx.virtualMachine.findMany({
    where: { nodeId: report.nodeId },
    orderBy: { id: 'asc' },
  });
  const unfinished = await tx.task.findMany({
    where: {
      status: { in: [...UNFINISHED] },
      OR: [{ nodeId: report.nodeId }, { virtualMachineId: { in: vms.map((vm) => vm.id) } }],
    },
    orderBy: { createdAt: 'asc' },
  });
  const ofMachines = unfinished.filter((task) => task.virtualMachineId !== null && !isJob(task));
  return {
    vms,
    tasks: new Map(ofMachines.map((task) => [task.virtualMachineId ?? '', task])),
    unfinished: unfinished.filter((task) => task.nodeId === report.nodeId),
    seen: new Map(report.virtualMachines.map((vm) => [vm.virtualMachineId, vm])),
  };
}

/** Writes what the verdict changes, guarded by the generation and the node it was made for; returns the machine as it now is. */
async function applyVerdict(
  { tx }: RunContext,
  vm: VirtualMachine,
  verdict: Verdict,
  seen: ObservedVm | null,
  changed: Change[],
): Promise<VirtualMachine> {
  const { powerState, desiredState, observedGeneration, releaseCapacity: release } = verdict;
  const addresses = powerState === 'RUNNING' ? (seen?.ipAddresses ?? vm.ipAddresses) : [];
  // It was said to be off, and its capacity given back, but it runs: a report of an agent's former process came late.
  const admits = !vm.capacityClaimed && seen !== null && occupies(powerState);
  const next = {
    powerState,
    desiredState,
    observedGeneration,
    capacityClaimed: (vm.capacityClaimed && !release) || admits,
    statusMessage: verdict.statusMessage ?? vm.statusMessage,
    ipAddresses: addresses,
    ...guestAgentOf(vm, powerState === 'RUNNING' && seen?.guestAgentRunning === true),
  };
  if (!differs(vm, next)) return vm;
  const [after] = await tx.virtualMachine.updateManyAndReturn({
    where: {
      id: vm.id,
      generation: vm.generation,
      nodeId: vm.nodeId,
      capacityClaimed: vm.capacityClaimed,
    },
    data: next,
  });
  if (!after) return vm; // an operator was quicker, or it is another node's now; the next report finds the new state of things
  // As large as it was written: one that is off is resized without a new generation.
  const held = capacityOf(after.resources);
  if (release && vm.nodeId) {
    await releaseCapacity(tx, vm.nodeId, held);
    changed.push(capacityChange(vm.nodeId));
  }
  if (admits && vm.nodeId) {
    await admitCapacity(tx, vm.nodeId, held);
    changed.push(capacityChange(vm.nodeId));
  }
  changed.push({ type: 'VirtualMachine', id: vm.id, before: vm, after: written(vm, after, next) });
  return after;
}

/** Written only when it turns: an absent record means that it does not run. */
function guestAgentOf(vm: VirtualMachine, running: boolean): { guestAgent?: { running: boolean } } {
  const known = (vm.guestAgent as { running?: boolean } | null)?.running === true;
  return known === running ? {} : { guestAgent: { running } };
}

function differs(row: object, next: object): boolean {
  const known = row as Record<string, unknown>;
  return Object.entries(next).some(
    ([key, value]) => JSON.stringify(known[key]) !== JSON.stringify(value),
  );
}

async function followTask(
  context: RunContext,
  task: Task,
  vm: VirtualMachine,
  verdict: Verdict,
  seen: ObservedVm | null,
): Promise<Change[]> {
  if (task.generation !== vm.generation) return [];
  if (verdict.taskEnd) return conclude(context, task, verdict);
  if (seen?.progressPercent === undefined) return [];
  const change = await recordProgress(context, task, seen.progressPercent);
  return change ? [change] : [];
}

/** What follows from the end is its kind's business; the machine's own state follows from the verdict. */
async function conclude(context: RunContext, task: Task, { taskEnd }: Verdict): Promise<Change[]> {
  const written = taskEnd && (await endTask(context, task, taskEnd));
  if (!written || !taskEnd) return [];
  const kind = kindOf(task);
  const follows =
    taskEnd.status === 'SUCCEEDED'
      ? kind.finish?.(context, task)
      : kind.undo(context, task, taskEnd);
  return [written, ...((await follows) ?? [])];
}

function assignmentFor(
  vm: VirtualMachine,
  task: Task | null,
  { gracefulStopTimeoutMs }: { gracefulStopTimeoutMs: number },
): AssignmentResult {
  const { vcpus, memoryMib } = capacityOf(vm.resources);
  return {
    virtualMachineId: encodeGlobalId('VirtualMachine', vm.id),
    name: vm.name,
    desiredState: vm.desiredState,
    operation: task?.operation ?? null,
    generation: vm.generation,
    force: task?.force ?? false,
    graceMs: gracefulStopTimeoutMs,
    vcpus,
    memoryMib,
    guestOs: (vm.spec as unknown as VmSpec).guestOs ?? null,
    spec: readSpec(vm.spec),
  };
}
