/**
 * Instances that share answers in Redis, as a model for the clock of a test. What decides whether an answer may be used is the real thing
 * (core/settling.ts and what it uses); PostgreSQL, Redis and the marks of the cache (core/cache.ts) are reduced to what matters for that.
 */
import { openSettling } from '../../src/core/settling.js';
import type { Interruptions } from '../../src/ephemeral/ephemeral.js';
import { ephemeralTtlMs } from '../../src/ephemeral/keys.js';
import { createLogger } from '../../src/log.js';
import type { Random } from '../services/model/random.js';
import { unheardTable } from './unheard-table.js';

/** After this nobody waits for the answer to a COMMIT any more. */
const LOST_MS = 20_000;
const sleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
const never = () => new Promise<never>(() => {});

interface Answer {
  readonly mark: number;
  readonly seen: ReadonlySet<number>;
}

/** One type with one mark, and one question. */
interface Stored {
  mark: number;
  writers: Map<Instance, number>;
  kept: Answer | null;
}

export class World {
  readonly table = unheardTable();
  readonly instances: Instance[] = [];
  readonly commits = new Set<number>();
  /** Of these there is an entry in the change feed. */
  readonly audited = new Set<number>();
  redis: Stored = { mark: 0, writers: new Map(), kept: null };
  #saved: Stored = this.redis;
  /** Connections to one that was there before are broken. */
  starts = 0;
  #marks = 0;
  #numbers = 0;
  hits = 0;
  readonly faults: string[] = [];

  constructor(readonly random: Random) {}

  number(): number {
    return ++this.#numbers;
  }

  mark(writer: Instance, working: boolean): void {
    const { writers } = this.redis;
    if (working) writers.set(writer, Date.now() + ephemeralTtlMs.unsettledGeneration);
    else writers.delete(writer);
    this.redis.mark = ++this.#marks; // never one that was there before
  }

  /** Null: somebody is at work. */
  settledMark(): number | null {
    const working = [...this.redis.writers.values()].some((until) => until > Date.now());
    return working ? null : this.redis.mark;
  }

  save(): void {
    this.#saved = { ...this.redis, writers: new Map(this.redis.writers) };
  }

  restart(): void {
    this.redis = { ...this.#saved, writers: new Map(this.#saved.writers) };
    this.starts += 1;
  }
}

export class Instance {
  /** Whether Redis can be reached, and whether it is in use. */
  linked = true;
  up = true;
  #connection: number;
  hasDatabase = true;
  alive = true;
  #frozenUntil = 0;
  #committing = 0;
  #untold = false;
  readonly #heard = new Set<number>();
  #told: Interruptions = {};
  readonly #settling;

  constructor(readonly world: World) {
    this.#connection = world.starts;
    this.#settling = openSettling({
      data: world.table.open(() => this.#statement()),
      address: 'there',
      ephemeral: {
        degraded: false,
        onInterruption: (listener) => {
          this.#told = listener;
          return () => {};
        },
      },
      coordination: { advertise() {} },
      forgetAll: async () => this.#mark(),
      monotonic: () => Date.now(),
      log: createLogger({ level: 'silent' }),
    });
    void this.#follow();
    void this.#heartbeat();
  }

  freeze(ms: number): void {
    this.#frozenUntil = Date.now() + ms;
  }

  cut(): void {
    this.linked = false;
  }

  isolate(): void {
    this.hasDatabase = false;
  }

  heal(): void {
    this.linked = true;
    this.hasDatabase = true;
  }

  /** And another one takes its place. */
  die(): void {
    if (!this.alive) return;
    this.alive = false;
    const { instances } = this.world;
    instances[instances.indexOf(this)] = new Instance(this.world);
  }

  /** Whether Redis serves it now; if not, that is noticed. */
  #reaches(): boolean {
    if (this.up && (!this.linked || this.#connection !== this.world.starts)) {
      this.up = false;
      this.#told.interrupted?.();
    }
    return this.up;
  }

  #comeUp(): void {
    this.#connection = this.world.starts;
    if (this.#untold) this.world.mark(this, this.#committing > 0);
    this.#untold = false;
    this.up = true;
    this.#told.restored?.();
  }

  async #heartbeat(): Promise<void> {
    for (;;) {
      await sleep(1_000);
      await this.#thaw();
      if (this.#reaches() || !this.linked) continue;
      await sleep(this.world.random.below(300));
      if (this.linked && this.alive) this.#comeUp();
    }
  }

  /** Whoever stands still does nothing, and whoever is dead never will. */
  async #thaw(): Promise<void> {
    while (Date.now() < this.#frozenUntil) await sleep(this.#frozenUntil - Date.now());
    if (!this.alive) await never();
  }

  async #statement(): Promise<void> {
    const { random } = this.world;
    await sleep(random.below(random.once(30) ? 3_000 : 20));
    await this.#thaw();
    if (!this.hasDatabase) throw new Error('PostgreSQL does not answer');
  }

  #mark(): void {
    if (this.#reaches()) this.world.mark(this, this.#committing > 0);
    else this.#untold = true;
  }

  async #follow(): Promise<void> {
    for (;;) {
      await this.#look().catch(() => undefined);
      await sleep(1_000);
      await this.#thaw();
    }
  }

  async #look(): Promise<void> {
    const { audited, commits } = this.world;
    const told = await this.#settling.look();
    await this.#statement();
    const unheard = [...audited].filter((one) => commits.has(one) && !this.#heard.has(one));
    for (const one of unheard) this.#heard.add(one);
    if (unheard.length > 0) this.#mark();
    await told();
  }

  /** @param takesMs how long PostgreSQL takes for the COMMIT; beyond LOST_MS the answer is lost */
  async write(takesMs: number): Promise<void> {
    const { commits, table, audited, random } = this.world;
    const one = this.world.number();
    await this.#statement();
    table.transactions.add(String(one));
    const ended = (committed: boolean): void => {
      table.transactions.delete(String(one));
      if (committed) commits.add(one);
    };
    if (random.once(2)) audited.add(one);
    this.#committing += 1;
    this.#mark();
    try {
      await this.#settling.beforeCommit();
      await this.#statement();
    } catch {
      ended(false);
      this.#committing -= 1;
      return this.#mark();
    }
    const committed = sleep(takesMs).then(() => ended(true));
    await Promise.race([committed, sleep(LOST_MS)]);
    await this.#thaw();
    if (takesMs > LOST_MS) await sleep(ephemeralTtlMs.unsettledGeneration);
    await this.#thaw();
    this.#committing -= 1;
    this.#mark();
  }

  async read(): Promise<void> {
    const { commits, faults } = this.world;
    await this.#thaw();
    const due = [...commits];
    const seen = await this.#answer();
    const missing = due.filter((one) => seen && !seen.has(one));
    if (missing.length > 0) faults.push(`${missing} at ${Date.now()}`);
  }

  async #answer(): Promise<ReadonlySet<number> | null> {
    const { world } = this;
    const uses = this.#settling.settled && this.#reaches();
    const mark = world.settledMark();
    if (uses && mark !== null && world.redis.kept?.mark === mark) {
      world.hits += 1;
      return world.redis.kept.seen;
    }
    try {
      await this.#statement();
      const seen = new Set(world.commits);
      await this.#statement();
      if (uses && mark !== null && this.#reaches()) world.redis.kept = { mark, seen };
      return seen;
    } catch {
      return null;
    }
  }
}
