/**
 * A copy of a range of keys that follows etcd: listed at a revision, then watched from the next one. Whenever the watch
 * ends, for whatever reason (dropped stream, compaction, expired token), it is listed again, and every so often anyway.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IWatchResponse } from 'etcd3';
import { breakOff, type EtcdClient } from './etcd-client.js';
import type { KeyRange } from './keys.js';

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  /** Of writes since it was created, from 1. */
  readonly version: number;
}

export interface Mirror {
  /** By key; null until it has been listed. */
  entries(): ReadonlyMap<string, Entry> | null;
  /** Everything up to this revision is known. */
  revision(): bigint;
  close(): void;
}

export interface MirrorOptions {
  readonly range: KeyRange;
  /** How often to list again, however healthy the watch looks. */
  readonly relistMs: number;
  /** After each change, and after each listing. */
  onChange(): void;
}

const RETRY_MS = 100;
const LONGEST_RETRY_MS = 1_000;

export function openMirror(client: EtcdClient, options: MirrorOptions): Mirror {
  const { range, relistMs, onChange } = options;
  const closing = new AbortController();
  const { signal } = closing;
  let entries: Map<string, Entry> | null = null;
  let revision = 0n;

  const list = async (): Promise<void> => {
    const { header, kvs } = await client.range(range);
    if (signal.aborted) return;
    entries = new Map(kvs.map((kv) => [kv.key.toString(), entryOf(kv)]));
    revision = BigInt(header.revision);
    onChange();
  };

  const apply = ({ events }: IWatchResponse): void => {
    for (const { type, kv } of events) {
      if (BigInt(kv.mod_revision) <= revision) continue;
      if (isDeletion(type)) entries?.delete(kv.key.toString());
      else entries?.set(kv.key.toString(), entryOf(kv));
    }
    if (events.length === 0) return;
    // all events of one revision come together
    revision = events.reduce((most, { kv }) => max(most, BigInt(kv.mod_revision)), revision);
    onChange();
  };

  /** Settles when the watch has ended or it is time to list again. */
  const follow = async (): Promise<void> => {
    const stream = await client.watch();
    let timer: NodeJS.Timeout | undefined;
    let stop = (): void => undefined;
    try {
      await new Promise<void>((resolve) => {
        stop = resolve;
        signal.addEventListener('abort', stop, { once: true });
        timer = setTimeout(stop, relistMs);
        timer.unref();
        stream.on('error', stop);
        stream.on('end', stop);
        stream.on('data', (response) => {
          if (signal.aborted) return;
          apply(response);
          if (response.canceled) stop();
        });
        if (signal.aborted) return stop();
        stream.write({
          create_request: {
            key: range.key,
            ...(range.end && { range_end: range.end }),
            start_revision: String(revision + 1n),
          },
        });
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      breakOff(stream);
    }
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!signal.aborted) {
      const begun = performance.now();
      try {
        await list();
        if (!signal.aborted) await follow();
        // A watch that ends as soon as it has begun is a failure, too.
        failures = performance.now() - begun < RETRY_MS ? failures + 1 : 0;
      } catch {
        failures += 1;
      }
      if (failures === 0 || signal.aborted) continue;
      const pause = Math.min(RETRY_MS * 2 ** Math.min(failures, 5), LONGEST_RETRY_MS);
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(
        () => undefined,
      );
    }
  };
  void run();

  return {
    entries: () => entries,
    revision: () => revision,
    close: () => closing.abort(),
  };
}

/** The library's types say 'Delete', what arrives says 'DELETE'. */
const isDeletion = (type: string): boolean => type.toUpperCase() === 'DELETE';

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

export function entryOf(kv: {
  key: Buffer;
  value: Buffer;
  create_revision: string;
  mod_revision: string;
  version: string;
}): Entry {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    version: Number(kv.version),
  };
}
