/**
 * Entries about what no transaction tells of: refused tokens, requests that failed because the database was away, floods.
 * Nobody waits for them. They are kept in memory until the database takes them, bounded: what cannot be kept is said in the log, with all its facts.
 *
 * What strangers can cause as often as they like is tallied: the first of a kind is written at once, and those that follow as one entry a minute with
 * their number, `repeated`. Beyond so many kinds a minute they are one kind.
 */
import type { Data } from '../data/client.js';
import { isUnavailable } from '../data/errors.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import { insertEntries, type NewEntry } from './audit-rows.js';
import type { Metrics } from './metrics.js';

export interface AuditBacklog {
  add(entry: NewEntry): void;
  /** @param kind entries of one kind are told together */
  tally(kind: string, entry: NewEntry): void;
  /** Ends the minute of all tallies, and writes what can be written. Never throws. */
  flush(): Promise<void>;
  /** The last flush; what is left then is logged. */
  close(): Promise<void>;
}

interface Options {
  readonly data: Data;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'auditEntriesLost'>;
}

interface Tally {
  readonly entry: NewEntry;
  repeated: number;
}

const MAX_WAITING = 1_000;
const MAX_KINDS = 200;
const BATCH = 100;
const RETRY_MS = 1_000;
const MINUTE_MS = 60_000;
const OTHERS = 'others';

export function openAuditBacklog({ data, log, metrics }: Options): AuditBacklog {
  const waiting: NewEntry[] = [];
  const tallies = new Map<string, Tally>();
  let writing: Promise<void> | null = null;
  let retry: NodeJS.Timeout | null = null;
  const minute = setInterval(() => void backlog.flush(), MINUTE_MS);
  minute.unref();

  function lose(entry: NewEntry, err?: unknown): void {
    metrics.auditEntriesLost.inc();
    const { id: _, ...facts } = entry;
    log.error({ entry: facts, err }, 'an audit entry could not be written');
  }

  function write(): Promise<void> {
    writing ??= drain().finally(() => {
      writing = null;
    });
    return writing;
  }

  const take = (entries: readonly NewEntry[]) =>
    data.transaction((tx) => insertEntries(tx, entries));

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      try {
        await take(batch);
      } catch (err) {
        if (isUnavailable(err)) return again();
        await oneByOne(batch);
      }
      waiting.splice(0, batch.length);
    }
  }

  /** One that the database does not take must not keep the others. */
  async function oneByOne(batch: readonly NewEntry[]): Promise<void> {
    for (const entry of batch) await take([entry]).catch((err: unknown) => lose(entry, err));
  }

  function again(): void {
    retry ??= setTimeout(() => {
      retry = null;
      void write();
    }, RETRY_MS).unref();
  }

  const backlog: AuditBacklog = {
    add(entry) {
      if (waiting.length >= MAX_WAITING) return lose(entry);
      waiting.push(entry);
      if (!retry) void write();
    },
    tally(kind, entry) {
      const known = tallies.get(kind) ?? (tallies.size < MAX_KINDS ? null : tallies.get(OTHERS));
      if (known) known.repeated += 1;
      else if (known === null) {
        tallies.set(kind, { entry, repeated: 0 });
        backlog.add(entry);
      } else tallies.set(OTHERS, { entry: manyOf(entry), repeated: 1 });
    },
    async flush() {
      for (const [kind, { entry, repeated }] of tallies) {
        if (repeated === 0) {
          tallies.delete(kind);
          continue;
        }
        const details = { ...(entry.details as object), repeated };
        tallies.set(kind, { entry, repeated: 0 });
        backlog.add({ ...entry, id: newId(), createdAt: new Date(), details });
      }
      await write();
    },
    async close() {
      clearInterval(minute);
      await backlog.flush();
      if (retry) clearTimeout(retry);
      for (const entry of waiting.splice(0)) lose(entry);
    },
  };
  return backlog;
}

/** Of all kinds beyond those that are told one by one: nothing of the first must be said of the others. */
function manyOf({ id, details, createdAt }: NewEntry): NewEntry {
  const { error } = details as { error?: { code?: string } };
  return {
    ...{
      id,
      createdAt,
      username: 'anonymous',
      action: 'request.refuse',
      resourceType: 'Request',
    },
    ...{ status: 'DENIED', resourceName: 'others' },
    details: { error: { code: error?.code ?? 'UNAUTHENTICATED', message: 'Many of many kinds.' } },
  };
}
