/** What Redis is still to be told: all that was written while it was away, newest value wins. Bounded: it is what may be lost. */
import { LRUCache } from 'lru-cache';
import type { Mark } from './ephemeral.js';
import type { RedisStore } from './redis.js';

/** Beyond this the oldest are forgotten. */
const MAX_KEYS = 100_000;
const MAX_MESSAGES = 1_000;
/** Nothing lives longer, so what was deleted before that cannot be there any more. */
const LONGEST_LIFE_MS = 24 * 60 * 60_000;
const BATCH = 500;

type Entry =
  | { readonly kind: 'set'; readonly value: string; readonly endsAt: number }
  | { readonly kind: 'mark'; readonly key: string; readonly mark: Mark; readonly saidAt: number }
  | { readonly kind: 'delete' };

type Target = Pick<RedisStore, 'set' | 'mark' | 'delete' | 'publish'>;

export class Outbox {
  readonly #entries = new LRUCache<string, Entry>({ max: MAX_KEYS });
  readonly #messages: { readonly channel: string; readonly message: string }[] = [];

  /** @param onDrop called for each message that there was no room for */
  constructor(private readonly onDrop: () => void) {}

  get empty(): boolean {
    return this.#entries.size === 0 && this.#messages.length === 0;
  }

  set(key: string, value: string, ttlMs: number): void {
    const endsAt = performance.now() + ttlMs;
    this.#entries.set(key, { kind: 'set', value, endsAt }, { ttl: Math.ceil(ttlMs) });
  }

  /** What this writer said last counts; what others say in Redis meanwhile is not touched by it. */
  mark(key: string, mark: Mark): void {
    const ttl = Math.ceil(mark.working ? mark.unsettledMs : mark.ttlMs);
    const entry = { kind: 'mark', key, mark, saidAt: performance.now() } as const;
    this.#entries.set(`${key}\0${mark.writer}`, entry, { ttl });
  }

  delete(key: string): void {
    this.#entries.set(key, { kind: 'delete' }, { ttl: LONGEST_LIFE_MS });
  }

  publish(channel: string, message: string): void {
    this.#messages.push({ channel, message });
    if (this.#messages.length <= MAX_MESSAGES) return;
    this.#messages.shift();
    this.onDrop();
  }

  /** What was written here, null when it was deleted here; undefined: only Redis could know. */
  read(key: string): string | null | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    return entry.kind === 'set' ? entry.value : null; // marks are under names that nobody asks for
  }

  /** Tells some of it; to be called until nothing is left. Values go before messages: who hears of a change must find it. */
  async tell(target: Target): Promise<void> {
    this.#entries.purgeStale();
    const batch = [...this.#entries.entries()].slice(0, BATCH);
    await Promise.all(
      batch.map(async ([key, entry]) => {
        await tellEntry(target, key, entry);
        // Written again meanwhile: that is still to be told.
        if (this.#entries.peek(key) === entry) this.#entries.delete(key);
      }),
    );
    if (this.#entries.size > 0) return;
    for (const said of this.#messages.slice(0, BATCH)) {
      await target.publish(said.channel, said.message);
      if (this.#messages[0] === said) this.#messages.shift();
    }
  }
}

async function tellEntry(target: Target, key: string, entry: Entry): Promise<void> {
  if (entry.kind === 'delete') await target.delete(key);
  else if (entry.kind === 'mark') await target.mark([entry.key], shortened(entry));
  else await target.set(key, entry.value, Math.max(1, entry.endsAt - performance.now()));
}

/** By what has gone by since it was said. */
function shortened({ mark, saidAt }: Extract<Entry, { kind: 'mark' }>): Mark {
  const passed = performance.now() - saidAt;
  const rest = (ms: number): number => Math.max(1, ms - passed);
  return { ...mark, unsettledMs: rest(mark.unsettledMs), ttlMs: rest(mark.ttlMs) };
}
