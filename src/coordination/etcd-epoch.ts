/**
 * The name under which terms are counted. The cluster's id alone would not do: it is made of names and addresses, so that an etcd
 * which was wiped and rebuilt, or put back to an earlier state, has the same one, while its revisions begin again or go back.
 */
import type { EtcdClient } from './etcd-client.js';
import { coordinationKeys, one } from './keys.js';

const EPOCH = Buffer.from(coordinationKeys.epoch);
const LEADER = Buffer.from(coordinationKeys.leader);
const fresh = () => ({ request_put: { key: EPOCH, value: Buffer.from(crypto.randomUUID()) } });

/** Made at random by whoever comes first. */
export async function readEpoch(client: EtcdClient): Promise<string> {
  const { responses, succeeded } = await client.txn({
    compare: [{ key: EPOCH, target: 'Create', result: 'Greater', create_revision: '0' }],
    success: [{ request_range: { key: EPOCH } }],
    failure: [fresh(), { request_range: { key: EPOCH } }],
  });
  const found = responses[succeeded ? 0 : 1]?.response_range.kvs[0];
  return found?.value.toString() ?? '';
}

export interface Impossible {
  /** Under which both tokens are said to be. */
  readonly epoch: string;
  /** The token of whoever asks. */
  readonly term: bigint;
  /** The one that the database has; read there before this is called, or it could be one that was won meanwhile. */
  readonly later: bigint;
}

/**
 * Replaces the epoch if `later` cannot have been given out by this etcd: a linearizable read sees all that was, so a revision below
 * that token means that etcd was put back. Whoever is merely late sees one at or above it. Only the one who holds the leader key,
 * and only the epoch that it began its term in.
 */
export async function replaceEpoch(client: EtcdClient, impossible: Impossible): Promise<boolean> {
  const { epoch, term, later } = impossible;
  const { header } = await client.range(one(coordinationKeys.epoch)); // never serializable: that could be a member left behind
  if (BigInt(header.revision) >= later) return false;
  const { succeeded } = await client.txn({
    compare: [
      { key: EPOCH, target: 'Value', result: 'Equal', value: Buffer.from(epoch) },
      { key: LEADER, target: 'Create', result: 'Equal', create_revision: String(term) },
    ],
    success: [fresh()],
  });
  return succeeded;
}
