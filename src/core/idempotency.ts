/**
 * Idempotency keys: a keyed command answers a repeat with its first answer.
 * The key is claimed in the command's own transaction, so that it exists exactly when the change does,
 * on every instance and after any crash; a concurrent twin waits on the claim's row and then replays.
 */
import { createHash } from 'node:crypto';
import { hashRaw } from '@node-rs/argon2';
import type { Db, Tx } from '../data/client.js';
import { IdempotencyMismatchError } from '../errors.js';
import type { Prisma } from '../gen/client/client.js';
import { SECRET_NAMES } from '../log.js';
import { type Json, stableStringify, toJson } from './json.js';

const LIFETIME_MS = 24 * 60 * 60_000;

export interface KeyedRequest {
  readonly principal: string;
  readonly key: string;
  readonly command: string;
  readonly hash: string;
}

export async function keyedRequest(
  principal: string,
  key: string,
  command: string,
  input: unknown,
): Promise<KeyedRequest> {
  const salt = createHash('sha256').update(principal).update('\0').update(key).digest();
  const hash = createHash('sha256').update(command).update('\0');
  hash.update(stableStringify(await withoutSecrets(input, salt)));
  return { principal, key, command, hash: hash.digest('hex') };
}

/**
 * A plain hash of a request with a password in it could be searched backwards by whoever gets hold of the table:
 * secrets go into it as slowly as into the users' own column.
 */
async function withoutSecrets(value: unknown, salt: Uint8Array, name = ''): Promise<unknown> {
  if (typeof value === 'string' && SECRET_NAMES.test(name)) {
    return (await hashRaw(value, { salt })).toString('hex');
  }
  // Only parsed JSON has deeper parts; dates and the like are values.
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const parts = Object.entries(value).map(
    async ([key, part]) => [key, await withoutSecrets(part, salt, key)] as const,
  );
  return Object.fromEntries(await Promise.all(parts));
}

/** The first answer to this key, if there is one. Throws IdempotencyMismatchError when the key was used for something else. */
export async function findAnswer(
  db: Db | Tx,
  { principal, key, hash }: KeyedRequest,
  now: Date,
): Promise<{ result: Json } | null> {
  const where = { principal_key: { principal, key } };
  const known = await db.idempotencyKey.findUnique({ where });
  if (!known || known.expiresAt <= now) return null;
  if (known.requestHash !== hash) throw new IdempotencyMismatchError();
  return { result: known.result as Json };
}

/**
 * Claims the key, or gives the first answer if it is taken.
 * @returns null when the claim is ours and the command must run.
 */
export async function claimKey(
  tx: Tx,
  request: KeyedRequest,
  now: Date,
): Promise<{ result: Json } | null> {
  const { principal, key, command, hash } = request;
  const expiresAt = new Date(now.getTime() + LIFETIME_MS);
  // In SQL: Prisma plans each createMany anew, which takes as long as the statement.
  const claim = () => tx.$executeRaw`
    INSERT INTO idempotency_keys (principal, key, command, request_hash, created_at, expires_at)
    VALUES (${principal}, ${key}, ${command}, ${hash}, ${now}, ${expiresAt})
    ON CONFLICT (principal, key) DO NOTHING`;
  if ((await claim()) === 1) return null;

  const known = await findAnswer(tx, request, now);
  if (known) return known;
  // It has expired: make room for ours, unless somebody else was quicker.
  await tx.idempotencyKey.deleteMany({ where: { principal, key, expiresAt: { lte: now } } });
  return (await claim()) === 1 ? null : claimKey(tx, request, now);
}

export async function rememberAnswer(
  tx: Tx,
  request: KeyedRequest,
  result: unknown,
): Promise<void> {
  await tx.idempotencyKey.update({
    where: { principal_key: { principal: request.principal, key: request.key } },
    data: { result: toJson(result) as Prisma.InputJsonValue },
  });
}
