/** PROVISION and CLONE: one job that makes all volumes of a new machine, and starts it when that was asked for. */
import type { Change, RunContext } from '../../core/command.js';
import { UserError } from '../../errors.js';
import type { Task, VirtualMachine, Volume } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import {
  breakVolume,
  finishVolume,
  jobVolume,
  removeVolume,
  snapshotOf,
} from '../storage/make-volume.js';
import { poolConfiguration } from '../storage/pool-secrets.js';
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

function machineOf({ tx }: RunContext, task: Task): Promise<VirtualMachine | null> {
  return tx.virtualMachine.findUnique({ where: { id: task.virtualMachineId ?? '' } });
}

async function done(context: RunContext, task: Task, result: JobResult): Promise<JobDone> {
  const changed: Change[] = [];
  for (const volume of await volumesOf(context, task))
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

/** Cancelled, nothing is left of it. Failed, the machine stays with broken volumes, for somebody to see why. */
async function undo(context: RunContext, task: Task, end: TaskEnd): Promise<Change[]> {
  const vm = await machineOf(context, task);
  const volumes = await volumesOf(context, task);
  const changed: Change[] = [];
  const reason = end.errorMessage ?? end.status;
  for (const volume of volumes) {
    changed.push(
      ...(end.status === 'CANCELLED'
        ? await removeVolume(context.tx, volume)
        : await breakVolume(context.tx, volume, reason)),
    );
  }
  if (!vm) return changed;
  const follows =
    end.status === 'CANCELLED'
      ? await removeVirtualMachine(context.tx, vm)
      : await say(context, vm, `${task.operation} failed: ${reason}`);
  return [...changed, ...follows];
}

const kind: TaskKind = {
  cancellable: () => true,
  job: {
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
