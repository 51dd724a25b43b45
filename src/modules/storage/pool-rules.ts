/** The life of a storage pool: what may be done in which phase, and how a task that measures it ends. Pure. */
import { InvalidStateError } from '../../errors.js';
import type { PoolPhase } from '../../gen/client/enums.js';
import type { TaskEnd } from '../task/rules.js';

/** PREPARE: connect it and measure it. USE: make something in it. */
export type PoolOperation = 'PREPARE' | 'USE';

export const POOL_OPERATIONS: Readonly<Record<PoolOperation, readonly PoolPhase[]>> = {
  PREPARE: ['PENDING', 'READY', 'DEGRADED', 'ERROR'],
  USE: ['READY', 'DEGRADED'],
};

const HINTS: Partial<Record<PoolPhase, string>> = {
  PENDING: 'Its node is still connecting it.',
  ERROR: 'Its error message says why; prepare it again when that is mended.',
};

/** @throws InvalidStateError naming the phase and what is possible instead */
export function decidePool(operation: PoolOperation, phase: PoolPhase): void {
  if (POOL_OPERATIONS[operation].includes(phase)) return;
  const all = Object.keys(POOL_OPERATIONS) as PoolOperation[];
  const allowed = all.filter((name) => POOL_OPERATIONS[name].includes(phase));
  throw new InvalidStateError(`${operation} of the pool`, phase, allowed, HINTS[phase]);
}

/** A pool that is in use stays so while it is measured again; any other waits for the result. */
export function whilePrepared(phase: PoolPhase): PoolPhase {
  return phase === 'ERROR' ? 'PENDING' : phase;
}

/** What the agent says it holds, within what the columns allow: some backends count more as used than there is. */
export function measured(capacityBytes: bigint, usedBytes: bigint) {
  const used = usedBytes > capacityBytes ? capacityBytes : usedBytes;
  return { capacityBytes, usedBytes: used, availableBytes: capacityBytes - used };
}

/** A pool whose agent could not connect it is in ERROR. That no answer came says nothing of one that worked before. */
export function phaseAfterFailure(phase: PoolPhase, end: TaskEnd): PoolPhase {
  return end.status === 'FAILED' || phase === 'PENDING' ? 'ERROR' : phase;
}
