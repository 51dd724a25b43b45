/** Encrypts the secrets of a pool anew, after another key was put on top of `auth.encryption_key_file`. Given on the command line. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf } from '../../core/input.js';
import { readKey } from '../../core/json-part.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { NotConfiguredError } from '../../errors.js';
import type { StoragePool } from '../../gen/client/client.js';
import { resealSecrets } from './pool-secrets.js';
import { StoragePoolEntity } from './queries.js';

const resourceType = 'StoragePool';

/** Changes nothing where the newest key is used already: it can be run again, and while everything else goes on. */
export const resealStoragePool = defineCommand({
  name: 'storagePool.reseal',
  resourceType,
  permission: 'storage:update',
  subject: (input: { id: string }) => ({ entity: StoragePoolEntity, id: input.id }),
  input: z.object({ id: idOf('StoragePool') }),
  errors: [NotConfiguredError],
  lock: (input) => [`pool/${input.id}`],
  audit: 'changes',
  async run({ tx, viewer, services }, { id }) {
    await requireVisible(tx, StoragePoolEntity, viewer, id);
    const before = await readForEdit<StoragePool>(tx, StoragePoolEntity, id);
    const backend = await resealSecrets(services, id, readKey(before.spec, 'backend'));
    if (!backend) return { result: { resealed: false }, changed: [] };
    const spec = { ...(before.spec as object), backend };
    const after = await updateVersioned(tx, StoragePoolEntity, before, { spec });
    return { result: { resealed: true }, changed: [{ type: resourceType, id, before, after }] };
  },
});
