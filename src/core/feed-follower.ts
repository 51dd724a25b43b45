/**
 * The safety net under hints: follows the change feed and tells this process of every change that it has not heard of. An instance can die
 * between its commit and its announcement, and messages can be lost on the way; then subscribers here are late, and never left behind.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { ADMINISTRATORS } from './audience.js';
import type { Services } from './context.js';
import { allEntities } from './entity.js';
import { type FeedEntry, feedEnd, readFeed } from './feed.js';
import type { FeedCursor } from './feed-cursor.js';
import type { ChangeHint } from './hints.js';
import { TYPES_WITH_TABLES } from './tables.js';

export interface FeedFollower {
  /** Looks now: hints may have been lost. */
  wake(): void;
  stop(): Promise<void>;
}

/** Well below FEED_MS in unheard.ts, or kept answers would not be used. */
const INTERVAL_MS = 1_000;
/** What was committed just now is about to be announced. */
const GRACE_MS = 200;
const PAGE = 500;
const AUDIT: ReadonlySet<string> = new Set(['AuditEntry']);

export function followFeed(services: Services): FeedFollower {
  const { data, hints, generations, settling, ephemeral, log } = services;
  const stopping = new AbortController();
  const types = allEntities().map(({ type }) => type);
  let position: FeedCursor | null = null;
  let nap = new AbortController();

  const unheardOf = (entries: readonly FeedEntry[]) =>
    entries.filter(({ id }) => !hints.hasHeard(id));

  /** First the generations, then the hints, as after a commit. Whoever told nobody may have written more than there are entries of. */
  async function tell(entries: readonly FeedEntry[]): Promise<void> {
    if (unheardOf(entries).length === 0) return;
    await sleep(GRACE_MS, undefined, { ref: false });
    await setImmediate(); // after a pause of this process messages are waiting, too
    const unheard = unheardOf(entries);
    if (unheard.length === 0) return;
    await generations.raise(TYPES_WITH_TABLES);
    hints.deliver(unheard.map(hintOf));
    log.debug({ changes: unheard.length }, 'told of changes that were not announced');
  }

  async function look(): Promise<void> {
    // Nobody else writes to a database in memory.
    if (data.kind === 'memory') {
      position = null;
      return;
    }
    const told = await settling.look();
    position ??= await feedEnd(data.db, '');
    for (let more = true; more && !stopping.signal.aborted; ) {
      const page = await readFeed(data.db, position, { ids: [ADMINISTRATORS], types, first: PAGE });
      if ('stale' in page) {
        log.warn({ reason: page.stale }, 'the change feed begins anew');
        await generations.raise(TYPES_WITH_TABLES);
      } else await tell(page.entries);
      // Refusals are in nobody's feed, and yet in the log.
      if (page.end.from.top !== position.from.top) await generations.raise(AUDIT);
      position = page.end;
      more = 'stale' in page ? false : page.more;
    }
    if (!stopping.signal.aborted) await told();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      nap = new AbortController();
      await look().catch((err: unknown) => log.debug({ err }, 'the change feed cannot be read'));
      if (stopping.signal.aborted) return;
      await sleep(INTERVAL_MS, undefined, { signal: nap.signal, ref: false }).catch(() => {});
    }
  }

  const wake = (): void => nap.abort();
  const running = run();
  const stopWatching = ephemeral.onInterruption({ restored: wake });
  return {
    wake,
    async stop() {
      stopWatching();
      stopping.abort();
      wake();
      await running;
    },
  };
}

function hintOf({ id, type, objectId, projectId, kind }: FeedEntry): ChangeHint {
  return { type, id: objectId, projectId, kind, entry: id };
}
