/** PROVISION and CLONE: one job that makes all volumes of a new machine, and starts it when that was asked for. */
import type { Change, RunContext } from '../../core/command.js';
import { UserError } from '../../errors.js';
import type { Task, VirtualMachine, Volume } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { lockVolumes } from '../storage/lock-volumes.js';
import {
  breakVolume,
  finishVolume,
  jobVolume,
  removeVolume,
  snapshotOf,
} from '../storage/make-volume.js';
import { poolConfiguration } from '../storage/pool-secrets.js';
import { sourceOf } from '../storage/volume-sources.js';
import { defineTaskKind, type JobDone, type JobResult, type TaskKind } from '../task/kinds.js';
import type { TaskEnd } from '../task/rules.js';
import { removeVirtualMachine } from './remove.js';
import { beginStart } from './start.js';

/** What the task keeps. `poolIds`: every pool that the job touches. */
export interface ProvisionDetails {
  readonly volumeIds: readonly string[];
  readonly poolIds: readonly string[];
  readonly start: boolean;
}

const detailsOf = (task: Task): ProvisionDetails => task.details as unknown as ProvisionDetails;

function volumesOf({ tx }: Pick<RunContext, 'tx'>, task: Task): Promise<Volume[]> {
  return tx.volume.findMany({
    where: { id: { in: [...detailsOf(task).volumeIds] }, phase: 'CREATING' },
    orderBy: { id: 'asc' },
  });
}

/** The same, held until the commit: somebody may be editing them, and the audit tells of them as they were. */
async function heldVolumesOf(context: RunContext, task: Task): Promise<Volume[]> {
  await lockVolumes(context.tx, detailsOf(task).volumeIds);
  return volumesOf(context, task);
}

function machineOf({ tx }: RunContext, task: Task): Promise<VirtualMachine | null> {
  return tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId ?? '' } });
}

async function done(context: RunContext, task: Task, result: JobResult): Promise<JobDone> {
  const changed: Change[] = [];
  for (const volume of await heldVolumesOf(context, task))
    changed.push(...(await finishVolume(context.tx, volume, result)));
  const vm = await machineOf(context, task);
  if (!vm) return { changed };
  const made = { type: 'VirtualMachine', id: vm.id };
  if (!detailsOf(task).start) return { changed, result: made };
  return { changed, result: made, afterwards: () => start(context, task, vm) };
}

/** The machine is whole even when no node can take it now: then it says why, and stays off. */
async function start(context: RunContext, task: Task, vm: VirtualMachine): Promise<Change[]> {
  const { createdById, createdByName } = task;
  try {
    return (await beginStart(context, vm, { createdById, createdByName })).changed;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return say(context, vm, `It was not started: ${error.message}`);
  }
}

async function say({ tx }: RunContext, before: VirtualMachine, text: string): Promise<Change[]> {
  const after = await tx.virtualMachine.update({
    where: { id: before.id },
    data: { statusMessage: text.slice(0, 1000) },
  });
  return [{ type: 'VirtualMachine', id: before.id, before, after }];
}

const isProtected = ({ deletionProtected }: Volume): boolean => deletionProtected;

/** Cancelled, nothing is left of it, unless that is protected. Failed, the machine stays with broken volumes, for somebody to see why. */
async function undo(context: RunContext, task: Task, end: TaskEnd): Promise<Change[]> {
  const vm = await machineOf(context, task);
  const volumes = await heldVolumesOf(context, task);
  const changed: Change[] = [];
  const reason = end.errorMessage ?? end.status;
  const gone = end.status === 'CANCELLED' && !vm?.deletionProtected && !volumes.some(isProtected);
  for (const volume of volumes) {
    changed.push(
      ...(gone
        ? await removeVolume(context.tx, volume)
        : await breakVolume(context.tx, volume, reason)),
    );
  }
  if (!vm) return changed;
  const follows = gone
    ? await removeVirtualMachine(context.tx, vm)
    : await say(context, vm, `${task.operation} failed: ${reason}`);
  return [...changed, ...follows];
}

/** A snapshot that is taken for the copy has to be there first. */
async function mayBegin(tx: RunContext['tx'], task: Task): Promise<'now' | 'later' | TaskEnd> {
  const sources = (await volumesOf({ tx }, task)).map((volume) => sourceOf(volume));
  const source = sources.find((one) => one?.type === 'SNAPSHOT');
  if (!source) return 'now';
  const snapshot = await tx.vmSnapshot.findUnique({ where: { id: source.id } });
  if (snapshot?.state === 'CREATING') {
    // No agent has heard of it that could stop.
    if (!task.cancelRequested) return 'later';
    const errorMessage = 'Cancelled on request';
    return { status: 'CANCELLED', errorCode: 'CANCELLED', errorMessage };
  }
  if (snapshot && snapshot.state !== 'ERROR') return 'now';
  const errorMessage = 'The snapshot that it copies could not be taken.';
  return { status: 'FAILED', errorCode: 'NO_SNAPSHOT', errorMessage };
}

const kind: TaskKind = {
  cancellable: () => true,
  job: {
    mayBegin,
    async describe(tx, task, services) {
      const volumes = await volumesOf({ tx }, task);
      const [first] = volumes;
      return {
        virtualMachineId: encodeGlobalId('VirtualMachine', task.virtualMachineId ?? ''),
        ...(first ? snapshotOf(first) : {}),
        poolConfiguration: await poolConfiguration(tx, services, detailsOf(task).poolIds),
        volumes: volumes.map(jobVolume),
      };
    },
    done,
  },
  undo,
};
defineTaskKind('PROVISION', kind);
defineTaskKind('CLONE', kind);
