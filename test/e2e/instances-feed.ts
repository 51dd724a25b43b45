/** Somebody who follows the changes of machines, and goes on at another instance whenever the present one dies or falls silent. */
import { setTimeout as sleep } from 'node:timers/promises';
import { graphql } from '../gen/gql.js';
import { watch } from '../support/watch.js';
import type { Site } from './instances-site.js';

const Followed = graphql(`
  subscription InstancesFollowed($after: String) {
    changes(after: $after, types: [VIRTUAL_MACHINE]) {
      ... on ObjectChange { cursor id version action requestId }
      ... on ChangesResync { reason }
    }
  }
`);
const Begin = graphql(`query InstancesBegin { changes { ... on ChangesPage { cursor } } }`);

/** Changes come all the time: whoever hears nothing for so long goes elsewhere. */
const SILENCE_MS = 1_500;

export interface Follower {
  /** What it saw, by object: `<action> <version> <request>` in the order in which it came. */
  readonly seen: Map<string, string[]>;
  /** How many it saw. */
  readonly count: () => number;
  /** How often it went elsewhere. */
  readonly moves: () => number;
  /** Reasons for which it was told to begin anew. */
  readonly resyncs: string[];
  stop(): Promise<void>;
}

export async function feedBegin(site: Site): Promise<string> {
  const { changes } = await (await site.client(0)).run(Begin);
  if (!('cursor' in changes)) throw new Error('no beginning');
  return changes.cursor;
}

export function follow(site: Site, place: number, begin: string): Follower {
  const seen = new Map<string, string[]>();
  const resyncs: string[] = [];
  let [after, at, count, moves, going] = [begin, place, 0, -1, true];
  let connection = new AbortController();

  const listen = async (): Promise<void> => {
    connection = new AbortController();
    const hearing = setTimeout(() => connection.abort(), SILENCE_MS);
    try {
      const client = await site.client(at);
      const stream = await watch(client, Followed, { after }, connection);
      for (;;) {
        const event = await stream.event();
        hearing.refresh();
        if (event?.errors?.[0]?.extensions.code === 'UNAUTHENTICATED') site.renew(client.token);
        if (!event?.data) return;
        const { changes } = event.data;
        if ('reason' in changes) resyncs.push(changes.reason);
        if (!('cursor' in changes)) return;
        after = changes.cursor;
        const { id, action, version, requestId } = changes;
        seen.set(id, [...(seen.get(id) ?? []), `${action} ${version} ${requestId}`]);
        count += 1;
      }
    } finally {
      clearTimeout(hearing);
      connection.abort();
    }
  };
  const run = async (): Promise<void> => {
    for (; going; at += 1) {
      moves += 1;
      await listen().catch(() => undefined);
      if (going) await sleep(20);
    }
  };
  const running = run();
  return {
    ...{ seen, resyncs },
    count: () => count,
    moves: () => moves,
    async stop() {
      going = false;
      connection.abort();
      await running;
    },
  };
}
