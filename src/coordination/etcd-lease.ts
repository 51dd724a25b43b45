/** A lease that is kept alive, and known to be over before etcd can think so. */
import { setTimeout as sleep } from 'node:timers/promises';
import { breakOff, type EtcdClient } from './etcd-client.js';

/** We stop believing in it this early: clocks differ in speed, and what was begun has to end. */
const SAFE_PART = 0.8;
const RETRY_MS = 200;

export interface Lease {
  readonly id: string;
  /** False before etcd can have let it expire. Never true again then. */
  valid(): boolean;
  /** Whether etcd answered the last time it was asked to keep it. */
  answering(): boolean;
  /** Settles when it is not valid any more. */
  readonly ended: Promise<void>;
  /** Ends it here and now, and in etcd as soon as that answers. Never fails. */
  end(): Promise<void>;
}

/** @param ttl in seconds */
export async function openLease(client: EtcdClient, ttl: number): Promise<Lease> {
  const askedAt = performance.now();
  const granted = await client.grant(ttl);
  const ttlMs = granted.ttl * 1000;
  const closing = new AbortController();
  const { signal } = closing;
  let answering = true;
  let validUntil = askedAt;
  let expiry: NodeJS.Timeout | undefined;
  let settle = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    settle = resolve;
  });

  const valid = (): boolean => !signal.aborted && performance.now() < validUntil;
  /** What counts is when we asked: etcd counts from some moment after that. */
  const extend = (sentAt: number, ms: number): void => {
    validUntil = sentAt + ms * SAFE_PART;
    clearTimeout(expiry);
    expiry = setTimeout(over, Math.max(0, validUntil - performance.now()));
    expiry.unref();
  };
  const over = (): void => {
    closing.abort();
    clearTimeout(expiry);
    settle();
  };
  extend(askedAt, ttlMs);

  const keep = async (): Promise<void> => {
    let line = null as Awaited<ReturnType<typeof keepAliveLine>> | null;
    try {
      while (valid()) {
        await sleep(answering ? ttlMs / 4 : RETRY_MS, undefined, { signal, ref: false });
        const sentAt = performance.now();
        try {
          line ??= await keepAliveLine(client, granted.id);
          const seconds = await line.ask(Math.min(client.requestTimeoutMs, ttlMs / 3));
          if (seconds <= 0) return over(); // expired or revoked
          extend(sentAt, seconds * 1000);
          answering = true;
        } catch {
          answering = false;
          line?.close();
          line = null;
        }
      }
    } finally {
      line?.close();
    }
  };
  keep().catch(() => undefined); // only the sleep throws, when it is over

  return {
    id: granted.id,
    valid,
    answering: () => answering && valid(),
    ended,
    async end() {
      over();
      await client.revoke(granted.id).catch(() => undefined); // then it expires
    },
  };
}

/** One stream on which a lease is renewed, one question at a time. */
async function keepAliveLine(client: EtcdClient, id: string) {
  const stream = await client.keepAlive();
  let answer: ((seconds: number) => void) | null = null;
  let fail: ((error: Error) => void) | null = null;
  let broken: Error | null = null;
  const broke = (error: Error): void => {
    broken = error;
    fail?.(error);
  };
  stream.on('data', ({ TTL }) => answer?.(Number(TTL)));
  stream.on('error', broke);
  stream.on('end', () => broke(new Error('etcd ended the stream')));
  return {
    /** The seconds that it has from some moment after this call; 0 when it is no more. */
    async ask(timeoutMs: number): Promise<number> {
      if (broken) throw broken;
      let timer: NodeJS.Timeout | undefined;
      try {
        return await new Promise<number>((resolve, reject) => {
          answer = resolve;
          fail = reject;
          timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
          timer.unref();
          stream.write({ ID: id });
        });
      } finally {
        clearTimeout(timer);
      }
    },
    /** What was asked and not answered is never taken for the answer to a later question: that goes on another stream. */
    close: () => breakOff(stream),
  };
}
