/** The transactions that a lock is made of. Each is safe to be heard twice. */
import type { ITxnResponse } from 'etcd3';
import { LockBusyError } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import type { Claim } from './etcd-strays.js';
import { coordinationKeys, lineOf } from './keys.js';

const lockKey = ({ resource }: Claim) => Buffer.from(coordinationKeys.lock(resource));
const placeKey = ({ resource, id }: Claim) => Buffer.from(coordinationKeys.waiter(resource, id));

const putLock = (claim: Claim) => ({
  request_put: { key: lockKey(claim), value: claim.value ?? Buffer.of(), lease: claim.lease.id },
});

/** Who has it, or else who is next; the lock's own key sorts before its line. */
function readHolder({ resource }: Claim) {
  const { key, end } = lineOf(resource);
  return { request_range: { key, ...(end && { range_end: end }), limit: 1 } };
}

/** Takes the lock if it is free and nobody waits; else a place in the line, if there is the patience. */
export function begin(client: EtcdClient, claim: Claim, patient: boolean): Promise<ITxnResponse> {
  const { key, end } = lineOf(claim.resource);
  const place = {
    request_put: { key: placeKey(claim), value: claim.value ?? Buffer.of(), lease: claim.lease.id },
  };
  const nobodyThere = {
    ...{ key, ...(end && { range_end: end }) },
    ...({ target: 'Create', result: 'Equal', create_revision: '0' } as const),
  };
  return client.txn({
    compare: [nobodyThere],
    success: [putLock(claim)],
    failure: patient
      ? [readHolder(claim), place, { request_range: { key: placeKey(claim) } }]
      : [readHolder(claim)],
  });
}

/** From the head of the line, made at revision `place`, to the lock. */
export function advance(client: EtcdClient, claim: Claim, place: bigint): Promise<ITxnResponse> {
  const made = (key: Buffer, revision: bigint) =>
    ({ key, target: 'Create', result: 'Equal', create_revision: String(revision) }) as const;
  return client.txn({
    compare: [made(lockKey(claim), 0n), made(placeKey(claim), place)],
    success: [putLock(claim), { request_delete_range: { key: placeKey(claim) } }],
    failure: [readHolder(claim)],
  });
}

/** Out of the line; the answer tells who has the lock by then. */
export function leave(client: EtcdClient, claim: Claim): Promise<ITxnResponse> {
  return client.txn({
    success: [{ request_delete_range: { key: placeKey(claim) } }, readHolder(claim)],
  });
}

/** The revision at which the place in the line was made: not the answer's, if etcd heard of it twice. */
export function placeIn({ responses }: ITxnResponse): bigint {
  return BigInt(responses.at(-1)?.response_range.kvs[0]?.create_revision ?? 0);
}

/** The revision at which the lock became this claim's, or null. */
export function revisionIfOurs(answer: ITxnResponse, claim: Claim): bigint | null {
  if (answer.succeeded) return BigInt(answer.header.revision);
  const found = foundIn(answer);
  // Our own place in the line has the same value.
  if (!claim.value || !found?.key.equals(lockKey(claim))) return null;
  return found.value.equals(claim.value) ? BigInt(found.create_revision) : null;
}

export function holderIn(answer: ITxnResponse, resource: string): LockBusyError | null {
  const found = foundIn(answer);
  return found ? lockedBy(resource, found.value.toString()) : null;
}

export function lockedBy(resource: string, value: string): LockBusyError {
  const { holder, since } = JSON.parse(value) as { holder: string; since: string };
  return new LockBusyError(resource, holder, new Date(since));
}

function foundIn({ responses }: ITxnResponse) {
  const read = responses.find((response) => response.response_range);
  return read?.response_range.kvs[0];
}
