/**
 * The feed as a stream. Nothing is queued for a client: it reads page after page at its own pace from the database, and at the end waits
 * for a hint, or for as long as a lost one may delay it. How far it got is all that is kept of it.
 */
import { feedEnd } from '../../core/feed.js';
import type { FeedCursor } from '../../core/feed-cursor.js';
import type { GraphQLContext } from '../../graphql/builder.js';
import { type Following, type ObjectChange, pageOf, type Resync } from './follow.js';

const LONGEST_WAIT_MS = 2_000;
const PAGE = 50;

/** Ends by itself when the client goes (`return`), the process stops or the context's signal aborts. */
export async function* changeFeed(
  context: GraphQLContext,
  selection: Following,
  begin: FeedCursor,
): AsyncGenerator<ObjectChange | Resync> {
  const { services, signal } = context;
  const bell = doorbell(signal);
  const stop = services.hints.listen(({ type }) => {
    if (selection.types.includes(type)) bell.ring();
  }, bell.leave);
  try {
    for (let cursor = begin; !bell.left(); ) {
      bell.quiet();
      const page = await pageOf(context, selection, cursor, PAGE);
      if ('reason' in page) {
        cursor = page.cursor;
        yield page;
        continue;
      }
      yield* page.entries;
      cursor = page.end;
      if (!page.more) await bell.heard();
    }
  } finally {
    stop();
    bell.leave();
  }
}

/** From a cursor, or from now: that is decided here and not when the first event is asked for. */
export async function openFeed(
  context: GraphQLContext,
  selection: Following,
): Promise<AsyncGenerator<ObjectChange | Resync>> {
  const begin = selection.cursor ?? (await feedEnd(context.services.data.db, selection.rights));
  return changeFeed(context, selection, begin);
}

/** Remembers a ring until it is waited for. */
function doorbell(signal: AbortSignal) {
  let rung = false;
  let left = signal.aborted;
  let wake: (() => void) | null = null;
  const ring = (): void => {
    rung = true;
    wake?.();
  };
  const leave = (): void => {
    left = true;
    signal.removeEventListener('abort', leave);
    ring();
  };
  signal.addEventListener('abort', leave, { once: true });
  return {
    ring,
    leave,
    left: () => left,
    quiet(): void {
      rung = false;
    },
    async heard(): Promise<void> {
      if (rung || left) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = setTimeout(resolve, LONGEST_WAIT_MS).unref();
      });
      clearTimeout(timer);
      wake = null;
    },
  };
}
