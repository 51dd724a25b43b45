/** The ephemeral port: whatever may be lost. Response cache, sessions, metrics, rate limits, wake-ups. */

export type Unsubscribe = () => Promise<void>;

export interface Ephemeral {
  readonly kind: 'redis' | 'in-process';
  get(key: string): Promise<string | null>;
  /** One round trip for many keys; the answers stand in the order of the keys. */
  getMany(keys: readonly string[]): Promise<(string | null)[]>;
  /** Keeps `value` for `ttlMs` milliseconds at the most. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** True when there was something to delete. */
  delete(key: string): Promise<boolean>;
  /** Adds one and returns the new value; a new key starts at 1 and lives for `ttlMs` from then on. */
  increment(key: string, ttlMs: number): Promise<number>;
  /** Tells everybody who listens now; nobody else ever hears of it. */
  publish(channel: string, message: string): Promise<void>;
  /** Listeners must be quick and must not throw. */
  subscribe(channel: string, listener: (message: string) => void): Promise<Unsubscribe>;
  close(): Promise<void>;
}
