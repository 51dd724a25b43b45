/** After another key was put on top of the key file, all that is kept can be encrypted with it, and the old key taken away. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemViewer } from '../../src/core/authz.js';
import { execute } from '../../src/core/execute.js';
import { createSecretBox, UnreadableSecretError } from '../../src/core/secrets.js';
import { newId } from '../../src/ids.js';
import { poolConfiguration, sealSecrets } from '../../src/modules/storage/pool-secrets.js';
import { resealStoragePool } from '../../src/modules/storage/reseal-command.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Made } from '../support/seed.js';

const [OLD, NEW] = ['o'.repeat(40), 'n'.repeat(40)];
const PASSWORD = 'open sesame';
let world: TestApp;
let pool: Made;

beforeAll(async () => {
  world = await createTestApp({ config: { auth: { encryptionKey: `${NEW}\n${OLD}` } } });
  pool = await poolSealedWith(OLD);
});
afterAll(() => world.stop());

async function poolSealedWith(key: string): Promise<Made> {
  const made = await world.seed.pool({ poolType: 'ISCSI' });
  const secrets = createSecretBox(key);
  const backend = await sealSecrets({ secrets }, made.uuid, { lun: 1, chapPassword: PASSWORD });
  const spec = { backend } as object;
  await world.data.db.storagePool.update({ where: { id: made.uuid }, data: { spec } });
  return made;
}

const reseal = (id = pool.id) =>
  execute(
    resealStoragePool,
    { id },
    {
      services: world.app.services,
      requestId: newId(),
      viewer: systemViewer('command-line'),
      ipAddress: null,
      userAgent: '',
      signal: new AbortController().signal,
    },
  );
const read = (keys: string) =>
  world.data.transaction((tx) =>
    poolConfiguration(tx, { secrets: createSecretBox(keys) }, [pool.uuid]),
  );

it('then the new key alone reads it, nothing of it is in the audit, and doing it again changes nothing', async () => {
  await expect(read(NEW)).rejects.toThrow(UnreadableSecretError);
  expect((await reseal()).result).toEqual({ resealed: true });
  expect(await read(NEW)).toContain(PASSWORD);
  await expect(read(OLD)).rejects.toThrow(UnreadableSecretError);
  const entries = await world.data.db.auditEntry.findMany({
    where: { action: 'storagePool.reseal' },
  });
  expect(entries).toHaveLength(1);
  expect(JSON.stringify(entries[0]?.details)).not.toMatch(/sesame|eyJ/);
  expect((await reseal()).result).toEqual({ resealed: false });
  expect(await world.data.db.auditEntry.count({ where: { action: 'storagePool.reseal' } })).toBe(1);
});

it('a secret that no key reads is left as it is, and named by its key', async () => {
  const lost = await poolSealedWith('x'.repeat(40));
  await expect(reseal(lost.id)).rejects.toThrow(/which auth.encryption_key_file does not hold/);
});
