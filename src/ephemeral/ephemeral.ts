/** The ephemeral port: whatever may be lost. Response cache, sessions, metrics, rate limits, wake-ups. */

export type Unsubscribe = () => Promise<void>;

export interface Counted {
  readonly count: number;
  /** How long the counter still lives, in milliseconds; at least 1. */
  readonly remainingMs: number;
  /** False: it would have gone beyond `most`, and nothing was added. */
  readonly granted: boolean;
}

/** How much is counted at once, and how far. */
export interface Spending {
  readonly by: number;
  /** Beyond this nothing is added; no bound unless it is given. */
  readonly most?: number;
}

/** What a writer says of a mark that several share: see core/cache.ts for what it is good for. */
export interface Mark {
  /** Who says it; one writer speaks once at a time. */
  readonly writer: string;
  /** Whether it is at work from now on, for `unsettledMs` at the most; otherwise it is done. */
  readonly working: boolean;
  /** What stands there while somebody is at work. */
  readonly unsettled: string;
  readonly unsettledMs: number;
  /** What stands there when nobody is, for `ttlMs` at the most. */
  readonly settled: string;
  readonly ttlMs: number;
}

/** What those want to know who rely on messages. */
export interface Interruptions {
  /** From now on messages may be lost. */
  interrupted?(): void;
  /** Messages come again; any number of them may be missing, or come late. */
  restored?(): void;
}

/**
 * In production every promise may reject with `EphemeralUnavailableError`: see outage.ts for what is kept meanwhile.
 * None takes much longer than `redis.command_timeout`.
 */
export interface Ephemeral {
  /** Where the answers come from at the moment. */
  readonly kind: 'redis' | 'in-process';
  /** Redis is wanted and away: what other instances keep is out of reach. Never true of a store that is in-process by choice. */
  readonly degraded: boolean;
  /** Null: there is no such key. Rejects when that cannot be known. */
  get(key: string): Promise<string | null>;
  /** One round trip for many keys; the answers stand in the order of the keys. While degraded, null also for what cannot be known. */
  getMany(keys: readonly string[]): Promise<(string | null)[]>;
  /** Keeps `value` for `ttlMs` milliseconds at the most. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Writes these marks anew, each in one step with who is at work there: settled ones only when the last writer is done or out of time. */
  mark(keys: readonly string[], mark: Mark): Promise<void>;
  /** As `set`, if there is no such key: true for the one who came first. Rejects when that cannot be known. */
  claim(key: string, value: string, ttlMs: number): Promise<boolean>;
  /** True when there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Adds one, or what `spending` says; a new key starts at nothing and lives for `ttlMs` from then on. Whoever counts, each sees its own step. */
  count(key: string, ttlMs: number, spending?: Spending): Promise<Counted>;
  /** Tells everybody who listens now; nobody else ever hears of it. */
  publish(channel: string, message: string): Promise<void>;
  /** Listeners must be quick and must not throw. */
  subscribe(channel: string, listener: (message: string) => void): Promise<Unsubscribe>;
  /** Listens for outages; returns how to stop that. */
  onInterruption(listener: Interruptions): () => void;
  close(): Promise<void>;
}
