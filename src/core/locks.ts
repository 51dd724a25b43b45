/** The gate's locks: they order waiters and save wasted work; the database decides. */
import type { z } from 'zod';
import { type Lock, LockBusyError } from '../coordination/coordination.js';
import { BusyError } from '../errors.js';
import type { Execution } from './execute.js';

/** Holds the command's locks during `work`, taken in one order everywhere so that two commands cannot wait for each other. */
export async function withLocks<I extends z.ZodType, R extends object, V, T>(
  { command, input, call, viewer }: Execution<I, R, V>,
  work: () => Promise<T>,
): Promise<T> {
  const resources = [...new Set(command.lock?.(input) ?? [])].sort();
  const { coordination, config, log } = call.services;
  const request = {
    holder: `${viewer.name}: ${command.name}`,
    waitMs: config.limits.lockWaitMs,
    signal: call.signal,
  };
  const held: Lock[] = [];
  try {
    for (const resource of resources) held.push(await coordination.lock(resource, request));
    return await work();
  } catch (error) {
    throw error instanceof LockBusyError ? busy(error) : error;
  } finally {
    for (const lock of held.reverse()) {
      await lock
        .release()
        .catch((err: unknown) => log.warn({ err }, 'a lock could not be released'));
    }
  }
}

function busy({ holder, since }: LockBusyError): BusyError {
  const message = `Another operation is at work on it (${holder}). Try again in a moment.`;
  return new BusyError(message, { operation: holder, since });
}
