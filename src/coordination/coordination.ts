/** The coordination port: who may act. Locks order writers; leadership picks the one instance that runs controllers. */

/** A held lock. It can be lost while work runs: it saves wasted work and orders waiters, the database decides. */
export interface Lock {
  release(): Promise<void>;
}

export interface LockRequest {
  /** Whom to name to those who wait, e.g. "alice: virtualMachine.start". */
  readonly holder: string;
  /** How long to wait at most, in milliseconds; 0 tries once. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

/** The lock was not to be had in time. */
export class LockBusyError extends Error {
  constructor(
    readonly resource: string,
    readonly holder: string,
    readonly since: Date,
  ) {
    super(`${resource} is locked by ${holder}`);
  }
}

export interface Leadership {
  /** Rises with every term: a write that carries an older one is refused. */
  readonly fencingToken: bigint;
  /** False as soon as the term may be over; controllers ask before every step. */
  valid(): boolean;
}

export interface Coordination {
  readonly kind: 'etcd' | 'in-process';
  /** Takes the lock on `resource`, waiting in arrival order. Throws LockBusyError after `waitMs`. */
  lock(resource: string, request: LockRequest): Promise<Lock>;
  /** This instance's current term, or null while another one leads. */
  leadership(): Leadership | null;
  /** Whoever waits for a lock gets LockBusyError at once. */
  close(): Promise<void>;
}
