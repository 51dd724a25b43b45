/** Secrets of storage pools: sealed in `spec.backend`, opened for nobody but the agent that does a job with the pool. */

import type { Services } from '../../core/context.js';
import { readKey } from '../../core/json-part.js';
import type { Tx } from '../../data/client.js';
import { encodeGlobalId } from '../../ids.js';
import { BACKEND_OF, BACKEND_SECRETS, BACKENDS } from './pool-spec.js';

type Backend = Readonly<Record<string, unknown>>;

const ownerOf = (poolId: string, field: string): string => `StoragePool/${poolId}/${field}`;

/** The backend with its secrets sealed; one that is null is taken out. Throws NotConfiguredError without a key. */
export async function sealSecrets(
  { secrets }: Pick<Services, 'secrets'>,
  poolId: string,
  backend: Backend,
): Promise<Record<string, unknown>> {
  const sealed: Record<string, unknown> = { ...backend };
  for (const field of BACKEND_SECRETS.ISCSI) {
    const secret = backend[field];
    if (typeof secret === 'string')
      sealed[field] = await secrets.seal(secret, ownerOf(poolId, field));
    else delete sealed[field];
  }
  return sealed;
}

/** The backend with its secrets sealed by the newest key, or null where they are. Throws UnreadableSecretError, NotConfiguredError. */
export async function resealSecrets(
  { secrets }: Pick<Services, 'secrets'>,
  poolId: string,
  stored: unknown,
): Promise<Record<string, unknown> | null> {
  const renewed: Record<string, unknown> = {};
  for (const field of BACKEND_SECRETS.ISCSI) {
    const sealed = readKey(stored, field);
    if (typeof sealed !== 'string' || sealed === '' || secrets.isNewest(sealed)) continue;
    const owner = ownerOf(poolId, field);
    renewed[field] = await secrets.seal(await secrets.open(sealed, owner), owner);
  }
  return Object.keys(renewed).length === 0 ? null : { ...(stored as object), ...renewed };
}

/**
 * How each of these pools is reached, for the agent that is to do it: JSON text with the secrets in the clear.
 * Neither logged nor stored.
 * @throws UnreadableSecretError
 */
export async function poolConfiguration(
  tx: Tx,
  { secrets }: Pick<Services, 'secrets'>,
  poolIds: readonly string[],
): Promise<string> {
  const pools = await tx.storagePool.findMany({
    where: { id: { in: [...poolIds] } },
    orderBy: { id: 'asc' },
  });
  const configurations = pools.map(async ({ id, poolType, spec }) => {
    const stored = readKey(spec, 'backend');
    const kind = BACKEND_OF[poolType];
    const part: Record<string, unknown> = {};
    for (const field of Object.keys(BACKENDS[kind])) part[field] = readKey(stored, field);
    for (const field of kind === 'ISCSI' ? BACKEND_SECRETS.ISCSI : []) {
      const sealed = readKey(stored, field);
      if (typeof sealed === 'string') part[field] = await secrets.open(sealed, ownerOf(id, field));
    }
    return { storagePoolId: encodeGlobalId('StoragePool', id), poolType, ...part };
  });
  return JSON.stringify(await Promise.all(configurations));
}
