/**
 * Lets a bounded number in at a time and queues a bounded number behind them, first come, first served.
 * Transactions pass here before they ask for a connection: a burst then waits in a queue whose length and
 * patience are ours, instead of running into the timeouts of the client library half-way.
 */
import { DataUnavailableError } from './errors.js';

export interface GateOptions {
  /** How many may be inside at once. */
  readonly capacity: number;
  /** How many may wait; the next one is refused at once. */
  readonly maxQueued: number;
  /** How long one may wait, in milliseconds. */
  readonly waitMs: number;
}

interface Waiter {
  enter(): void;
  refuse(reason: unknown): void;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #queue = new Set<Waiter>(); // keeps insertion order, and forgets a waiter in constant time
  readonly #onEmpty: (() => void)[] = [];
  #inside = 0;
  #closed: DataUnavailableError | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Waits for a turn. Resolves to the function that ends it; calling that twice does nothing.
   * @throws {DataUnavailableError} queue-full, queue-timeout, or connection once closed
   * @throws the signal's reason when it is aborted before the turn comes
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#closed) throw this.#closed;
    if (this.#inside < this.#options.capacity) this.#inside += 1;
    else await this.#wait(signal);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#leave();
    };
  }

  /** Refuses everybody who waits and everybody who comes later; whoever is inside may finish. */
  close(): void {
    this.#closed ??= new DataUnavailableError('connection', 'The database is closed.');
    for (const waiter of this.#queue) waiter.refuse(this.#closed);
  }

  /** Resolves when nobody is inside any more. */
  async empty(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { maxQueued, waitMs } = this.#options;
    if (this.#queue.size >= maxQueued) {
      throw new DataUnavailableError(
        'queue-full',
        `The database is busy and ${maxQueued} transactions wait already.`,
      );
    }
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#queue.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        enter: () => {
          settle();
          resolve();
        },
        refuse: (reason) => {
          settle();
          reject(reason);
        },
      };
      const onAbort = (): void => waiter.refuse(signal?.reason);
      const timer = setTimeout(() => {
        waiter.refuse(
          new DataUnavailableError('queue-timeout', `The database was busy for ${waitMs} ms.`),
        );
      }, waitMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(waiter);
    });
  }

  /** Hands the place over directly, so that a newcomer cannot overtake the one who waited longest. */
  #leave(): void {
    const [next] = this.#queue;
    if (next) {
      next.enter();
      return;
    }
    this.#inside -= 1;
    if (this.#inside === 0) for (const resolve of this.#onEmpty.splice(0)) resolve();
  }
}
