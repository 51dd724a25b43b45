/**
 * One reader of samples for all subscribers of this process. However many watch a node, a report of it is read once: a wake-up
 * names the node, and what was named within a tick is read in one round trip. What nobody watches is not read.
 *
 * Order: a node is due from the moment that it is named, so a report that comes while it is being read makes it due again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Services } from '../../core/context.js';
import type { Ephemeral, Unsubscribe } from '../../ephemeral/ephemeral.js';
import { ephemeralChannels } from '../../ephemeral/keys.js';
import { type NodeMetrics, readNodeSamples } from './store.js';

/** Between the beginnings of two reads: short for the eye, long enough that a datacenter's reports come together. */
const TICK_MS = 50;
/** A wake-up may be lost: whatever was not read for so long is read all the same. */
const LOOK_MS = 5_000;

/** Shared by all who get it. */
export interface KnownMetrics {
  readonly nodeId: string;
  readonly metrics: NodeMetrics;
}

export interface Watch {
  /** Watches these from now on and no others. Resolves when all of them have been read since, or nothing can be; never rejects. */
  nodes(ids: readonly string[]): Promise<void>;
  /** What is known of them; nothing of those that have not reported for 30 s. */
  known(): KnownMetrics[];
  stop(): void;
}

interface Watched {
  readonly listeners: Set<() => void>;
  latest: KnownMetrics | null;
  /** By `performance.now()`. */
  readAt: number;
}

const readers = new WeakMap<Ephemeral, SampleReader>();

/** @param onNew called when there is something new of a node that is watched; must be quick and must not throw */
export function watchSamples({ ephemeral }: Pick<Services, 'ephemeral'>, onNew: () => void): Watch {
  let mine = new Set<string>();
  const listener = (): void => onNew();
  const reader = readers.get(ephemeral) ?? new SampleReader(ephemeral);
  readers.set(ephemeral, reader);
  reader.enter(listener);
  return {
    nodes(ids) {
      const old = mine;
      mine = new Set(ids);
      for (const id of old) if (!mine.has(id)) reader.remove(id, listener);
      for (const id of mine) if (!old.has(id)) reader.add(id, listener);
      return reader.read(mine);
    },
    known: () => [...mine].flatMap((id) => reader.known(id) ?? []),
    stop() {
      for (const id of mine) reader.remove(id, listener);
      mine = new Set();
      if (reader.leave(listener) && readers.get(ephemeral) === reader) readers.delete(ephemeral);
    },
  };
}

class SampleReader {
  readonly #guests = new Set<() => void>();
  readonly #nodes = new Map<string, Watched>();
  #due = new Set<string>();
  /** The read that is to begin next; it takes what is due then. */
  #next: Promise<void> | null = null;
  #last: Promise<void> = Promise.resolve();
  #lastAt = Number.NEGATIVE_INFINITY;
  readonly #subscribed: Promise<Unsubscribe>;
  readonly #unlisten: () => void;
  readonly #look: NodeJS.Timeout;

  constructor(private readonly ephemeral: Ephemeral) {
    this.#subscribed = ephemeral.subscribe(ephemeralChannels.samples, (id) => {
      if (this.#nodes.has(id)) void this.read([id]);
    });
    this.#subscribed.catch(() => {}); // then samples are found by looking
    this.#unlisten = ephemeral.onInterruption({ restored: () => void this.#readOlderThan(0) });
    this.#look = setInterval(() => void this.#readOlderThan(LOOK_MS), LOOK_MS / 2).unref();
  }

  enter(listener: () => void): void {
    this.#guests.add(listener);
  }

  /** True when nobody is left: then it has ended, and another one begins with the next subscriber. */
  leave(listener: () => void): boolean {
    if (!this.#guests.delete(listener) || this.#guests.size > 0) return false;
    clearInterval(this.#look);
    this.#unlisten();
    this.#subscribed.then((stop) => stop()).catch(() => {}); // there is nothing to stop
    return true;
  }

  add(id: string, listener: () => void): void {
    const known = this.#nodes.get(id);
    if (known) known.listeners.add(listener);
    else this.#nodes.set(id, { listeners: new Set([listener]), latest: null, readAt: 0 });
  }

  remove(id: string, listener: () => void): void {
    const watched = this.#nodes.get(id);
    watched?.listeners.delete(listener);
    if (watched?.listeners.size !== 0) return;
    this.#nodes.delete(id);
    this.#due.delete(id);
  }

  known(id: string): KnownMetrics | null {
    return this.#nodes.get(id)?.latest ?? null;
  }

  read(ids: Iterable<string>): Promise<void> {
    for (const id of ids) this.#due.add(id);
    this.#next ??= this.#readDue();
    return this.#next;
  }

  #readOlderThan(ms: number): Promise<void> | undefined {
    const before = performance.now() - ms;
    const old = [...this.#nodes].filter(([, { readAt }]) => readAt <= before).map(([id]) => id);
    return old.length > 0 ? this.read(old) : undefined;
  }

  async #readDue(): Promise<void> {
    await this.#last; // one at a time: an older answer must not come after a newer one
    const rest = this.#lastAt + TICK_MS - performance.now();
    if (rest > 0) await sleep(rest, undefined, { ref: false });
    this.#lastAt = performance.now();
    const ids = [...this.#due];
    this.#due = new Set();
    this.#next = null;
    this.#last = this.#take(ids);
    await this.#last;
  }

  async #take(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const at = performance.now();
    // Without the store nothing is known, as for a node that is silent. The next look tries again.
    const samples = await readNodeSamples({ ephemeral: this.ephemeral }, ids).catch(() => []);
    const toTell = new Set<() => void>();
    ids.forEach((id, i) => {
      const watched = this.#nodes.get(id);
      if (!watched) return;
      watched.readAt = at;
      const metrics = samples[i]?.node;
      const isNew = metrics && metrics.sampledAt !== watched.latest?.metrics.sampledAt;
      if (!metrics) watched.latest = null;
      else if (isNew) watched.latest = { nodeId: id, metrics };
      if (isNew) for (const listener of watched.listeners) toTell.add(listener);
    });
    for (const listener of toTell) listener();
  }
}
