/**
 * Entries of which nobody knows whether they are there: a request without an answer may have been done. They are taken
 * away until that is certain; those of a lease that is over go with it.
 */
import type { EtcdClient } from './etcd-client.js';
import type { Lease } from './etcd-lease.js';
import { coordinationKeys } from './keys.js';

/** What one request for a lock may have left. */
export interface Claim {
  readonly resource: string;
  readonly id: string;
  readonly lease: Lease;
  /** The lock's value if it became ours; null: only the place in the line is to go. */
  readonly value: Buffer | null;
}

export interface Strays {
  add(claim: Claim): void;
  /** How many there are. */
  count(): number;
  close(): void;
}

/** What outlived its deadline in etcd may be done even after the first time that it was taken away. */
const TIMES = 2;

/** Takes both away, the lock only if it is this claim's. */
async function takeAway(client: EtcdClient, { resource, id, value }: Claim): Promise<void> {
  const key = Buffer.from(coordinationKeys.lock(resource));
  const place = Buffer.from(coordinationKeys.waiter(resource, id));
  const waiter = { request_delete_range: { key: place } };
  await client.txn(
    value === null
      ? { success: [waiter] }
      : {
          compare: [{ key, target: 'Value', result: 'Equal', value }],
          success: [{ request_delete_range: { key } }, waiter],
          failure: [waiter],
        },
  );
}

export function openStrays(client: EtcdClient): Strays {
  const left = new Map<Claim, number>();
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  const sweep = async (): Promise<void> => {
    for (const [claim, times] of [...left]) {
      if (closed) return;
      if (!claim.lease.valid()) left.delete(claim);
      else {
        await takeAway(client, claim);
        if (times > 1) left.set(claim, times - 1);
        else left.delete(claim);
      }
    }
  };
  const schedule = (ms: number): void => {
    timer ??= setTimeout(async () => {
      await sweep().catch(() => undefined); // the next sweep tries again
      timer = null;
      if (left.size > 0 && !closed) schedule(client.requestTimeoutMs);
    }, ms).unref();
  };

  return {
    add(claim) {
      left.set(claim, TIMES);
      schedule(0);
    },
    count: () => left.size,
    close() {
      closed = true;
      if (timer) clearTimeout(timer);
    },
  };
}
