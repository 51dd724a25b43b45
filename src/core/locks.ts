/** The gate's locks: they order waiters and save wasted work; the database decides. */
import type { z } from 'zod';
import { type Lock, LockBusyError } from '../coordination/coordination.js';
import { BusyError } from '../errors.js';
import { isEverywhere, type Viewer } from './authz.js';
import type { Command } from './command.js';
import type { Call } from './context.js';
import type { Entity } from './entity.js';
import type { Execution } from './execute.js';

/** Of an object. Those of one table share the namespace: a machine in the bin is the machine that it was before. */
const objectLock = ({ model }: Pick<Entity, 'model'>, id: string): string => `${model}/${id}`;

/** Of a name that a creation claims, within an object or everywhere: who comes second finds it taken, and does not work in vain. */
export const nameLock = ({ model }: Pick<Entity, 'model'>, name: string, within = 'all'): string =>
  `${model}/${within}/${name}`;

/** What a command holds while it is carried out. */
export function locksOf<I extends z.ZodType, R extends object>(
  command: Command<I, R>,
  input: z.output<I>,
): readonly string[] {
  if (command.unlocked !== undefined) return [];
  if (command.lock) return command.lock(input);
  const target = command.subject?.(input);
  if (!target) throw new Error(`${command.name} was given nothing to lock`);
  return [objectLock(target.entity, target.id)];
}

/** Holds the command's locks during `work`. */
export async function withLocks<I extends z.ZodType, R extends object, V, T>(
  { command, input, call, viewer }: Execution<I, R, V>,
  work: () => Promise<T>,
): Promise<T> {
  const holder = `${viewer.name}: ${command.name}`;
  try {
    return await holding(locksOf(command, input), holder, call, work);
  } catch (error) {
    throw error instanceof LockBusyError ? busy(error, command, viewer) : error;
  }
}

/**
 * Holds these during `work`, taken in one order everywhere so that two callers cannot wait for each other.
 * @throws {LockBusyError} naming the one that was not to be had in time; then `work` did not begin
 */
export async function holding<T>(
  locks: readonly string[],
  holder: string,
  { services, signal }: Call,
  work: () => Promise<T>,
): Promise<T> {
  const { coordination, config, log } = services;
  const request = { holder, waitMs: config.limits.lockWaitMs, signal };
  const held: Lock[] = [];
  try {
    for (const resource of [...new Set(locks)].sort())
      held.push(await coordination.lock(resource, request));
    return await work();
  } finally {
    // Nobody waits for that: whoever wants one next finds it free, or stands in line for a moment.
    for (const lock of held.reverse())
      lock.release().catch((err: unknown) => log.warn({ err }, 'a lock could not be released'));
  }
}

/**
 * What a lock that is not to be had is to the caller. Whoever works on an object that the caller sees may be named; who claims the
 * same name may be of another project, and only what is being done is said.
 */
export function busy(
  { holder, since }: LockBusyError,
  command: Pick<Command, 'lock'>,
  viewer: Viewer,
): BusyError {
  const named = command.lock === undefined || isEverywhere(viewer);
  const operation = named ? holder : holder.slice(holder.lastIndexOf(' ') + 1);
  const message = `Another operation is at work on it (${operation}). Try again in a moment.`;
  return new BusyError(message, { operation, since });
}
