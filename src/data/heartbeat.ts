/**
 * Whether the database answers now: every statement that is answered says so, a ping asks when none was, or when a connection failed.
 * Nothing is decided by it; it is for those who want to know what is wrong (`degraded`).
 */
import type { Logger } from '../log.js';

export interface HeartbeatOptions {
  /** Rejects when the database does not answer. */
  ping(): Promise<void>;
  readonly log: Logger;
  /** How often to look; 1 s by default. */
  readonly everyMs?: number;
  /** How long an answer may take; 2 s by default. */
  readonly patienceMs?: number;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timer: NodeJS.Timeout;
  #available = true;
  /** How many answers there were, and how many when it was looked last. */
  #answers = 0;
  #seen = 0;
  #asking = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), options.everyMs ?? 1_000).unref();
  }

  get available(): boolean {
    return this.#available;
  }

  answered(): void {
    this.#answers += 1;
    this.#become(true);
  }

  /** A connection failed: that one alone, or all of them. */
  failed(): void {
    this.#ask();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#answers === this.#seen) this.#ask();
    this.#seen = this.#answers;
  }

  /** Once at a time: one that is late is still waited for, as its answer is the sign that all is well again. */
  #ask(): void {
    if (this.#asking) return;
    this.#asking = true;
    const before = this.#answers;
    const late = setTimeout(() => {
      if (this.#answers === before) this.#become(false);
    }, this.#options.patienceMs ?? 2_000).unref();
    this.#options
      .ping()
      .then(
        () => this.answered(),
        () => this.#become(false),
      )
      .finally(() => {
        clearTimeout(late);
        this.#asking = false;
      });
  }

  #become(available: boolean): void {
    if (available === this.#available) return;
    this.#available = available;
    if (available) this.#options.log.warn('PostgreSQL answers again');
    else this.#options.log.error('PostgreSQL does not answer');
  }
}
