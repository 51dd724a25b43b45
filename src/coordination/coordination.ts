/**
 * The coordination port: who may act. Locks order writers; leadership picks the one instance that runs controllers;
 * members are the instances that live; settings are what all of them share. Adapters: etcd.ts and in-process.ts,
 * held to one behaviour by test/services/coordination-contract.ts.
 */

/** A held lock. It can be lost while work runs: it saves wasted work and orders waiters, the database decides. */
export interface Lock {
  /** Never fails: what cannot be released now is released as soon as that can be done. */
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

/** etcd does not answer, or not in time. What was asked of it may have been done or not. */
export class CoordinationUnavailableError extends Error {
  override readonly name = 'CoordinationUnavailableError';
}

/** A shared setting has another revision than expected; null: it does not exist. */
export class SettingConflictError extends Error {
  constructor(
    readonly key: string,
    readonly revision: bigint | null,
  ) {
    super(`the shared setting ${key} was changed meanwhile`);
  }
}

/** A term of leadership: one object for as long as it lasts. */
export interface Leadership {
  /** Rises with every term of a `cluster`: a write that carries an older one is refused. */
  readonly fencingToken: bigint;
  /** Whose tokens these are. Tokens of different clusters say nothing about each other: see core/fencing.ts. */
  readonly cluster: string;
  /** False as soon as the term may be over; controllers ask before every step. */
  valid(): boolean;
  /** Ends it: the database has said that another leader came after this one. */
  end(): void;
  /**
   * To be asked before it is ended so: `token`, read from the database before, is of this cluster and higher than this term's. Where the
   * servers have not counted that far by now, they were put back to an earlier state, and it is nobody's who could come after this one:
   * then the cluster gets another name for all terms to come. Resolves to whether it did; throws CoordinationUnavailableError.
   */
  disavow(token: bigint): Promise<boolean>;
}

/** What an instance says of itself. */
export interface Instance {
  readonly id: string;
  /** Where it can be reached: host:port. */
  readonly address: string;
  readonly version: string;
  readonly startedAt: Date;
  /** Whether it has Redis. Of what one writes that has not, the others are not told at once. */
  readonly redis: boolean;
}

/** What may change about an instance. */
export type About = Partial<Pick<Instance, 'address' | 'redis'>>;

export interface Member extends Instance {
  readonly leader: boolean;
}

export interface SharedSetting {
  readonly key: string;
  readonly value: string;
  /** Of its last change. Rises with every change of any setting. */
  readonly revision: bigint;
  /** How often it was written since it came into being, from 1. */
  readonly version: number;
}

export type SettingsListener = (settings: ReadonlyMap<string, SharedSetting>) => void;

/** Settings that all instances share, as text; what they mean is for who uses them. */
export interface SharedSettings {
  /** By key. */
  list(): Promise<readonly SharedSetting[]>;
  /**
   * Writes one. With `expectedRevision` only if that is its revision; 0n: only if it does not exist.
   * @returns its new revision
   * @throws {SettingConflictError} it has another revision
   * @throws {CoordinationUnavailableError} then it may have been written
   */
  put(key: string, value: string, expectedRevision?: bigint): Promise<bigint>;
  /** Deletes one, false when there was none. Throws as `put` does. */
  delete(key: string, expectedRevision?: bigint): Promise<boolean>;
  /**
   * Calls `listener` with all of them soon, and again after every change, also after those that happened while nothing
   * could be heard. Never goes back to an older state, except where the servers did. Returns how to stop.
   */
  watch(listener: SettingsListener): () => void;
}

export interface Coordination {
  readonly kind: 'etcd' | 'in-process';
  /** This instance's id among the members. */
  readonly id: string;
  /** Whether etcd answers now, as far as is known; always true without etcd. */
  available(): boolean;
  /**
   * Takes the lock on `resource`, waiting in arrival order.
   * @throws {LockBusyError} after `waitMs`, when the signal is aborted, or when this closes
   * @throws {CoordinationUnavailableError} etcd did not answer within its request timeout
   */
  lock(resource: string, request: LockRequest): Promise<Lock>;
  /** This instance's current term, or null while another one leads. */
  leadership(): Leadership | null;
  /** Who lives, by start time, this instance included. Throws CoordinationUnavailableError. */
  members(): Promise<readonly Member[]>;
  /** Tells the others what has changed, as soon as etcd takes it. */
  advertise(about: About): void;
  readonly settings: SharedSettings;
  /** Whoever waits for a lock gets LockBusyError at once; the term, if any, is over. */
  close(): Promise<void>;
}
