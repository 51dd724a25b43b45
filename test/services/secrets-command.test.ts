/** `secrets renew` as an operator gives it, on a real PostgreSQL: a new key goes on top of the file, and the old one goes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { run } from '../../src/cli/run.js';
import { createSecretBox } from '../../src/core/secrets.js';
import type { Data } from '../../src/data/client.js';
import { openData } from '../../src/data/open.js';
import { createLogger } from '../../src/log.js';
import { sealSecrets } from '../../src/modules/storage/pool-secrets.js';
import { createTestApp, postgresConfig, type TestApp } from '../support/app.js';
import { configFile } from '../support/installation.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { sharedPostgres } from '../support/services/postgres.js';
import { createTestAgent } from '../support/test-agent.js';

const [OLD, NEW, LOST] = ['o'.repeat(40), 'n'.repeat(40), 'x'.repeat(40)];
const PASSWORD = 'a chap password that nobody else has';

let folder: string;
let data: Data;
let node: Made;
let pool: string;

const serving = async (encryptionKey: string, work: (world: TestApp) => Promise<void>) => {
  const world = await createTestApp({ data, config: { auth: { encryptionKey } } });
  await work(world).finally(() => world.stop());
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-command-'));
  const config = await postgresConfig();
  data = await openData(config, createLogger({ level: 'silent' }));
  const auth = { encryption_key_file: 'keys' };
  const text = configFile(sharedPostgres(), config.database.database, { auth });
  writeFileSync(join(folder, 'config.yaml'), text);
  writeFileSync(join(folder, 'jwt'), 'j'.repeat(40), { mode: 0o600 });
  await serving(OLD, async (world) => {
    await world.seed.user('ADMIN', { username: 'ada' });
    node = await world.seed.node(await world.seed.cluster());
    const iscsi = { portal: '192.0.2.20:3260', target: 'iqn.2026-01.test:one', lun: 0, chapUser: 'quantix', chapPassword: PASSWORD }; // biome-ignore format: one line
    const input = { name: 'renewed', poolType: 'ISCSI', nodeIds: [node.id], iscsi };
    const answer = await mutate(await world.signIn('ada'), 'createStoragePool', input);
    pool = (answer.storagePool as { id: string }).id;
  });
});
afterAll(async () => {
  await data.close();
  rmSync(folder, { recursive: true });
});

/** The command with these keys in the file, the newest first. */
async function renew(...keys: string[]) {
  writeFileSync(join(folder, 'keys'), `${keys.join('\n')}\n`, { mode: 0o600 });
  const out = vi.spyOn(console, 'log').mockReturnValue();
  const err = vi.spyOn(console, 'error').mockReturnValue();
  try {
    const code = await run(['secrets', 'renew', '--config', join(folder, 'config.yaml')]);
    return { code, out: out.mock.calls.join('\n'), err: err.mock.calls.join('\n') };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

/** What an agent is told of the pool by a server that has this key alone. */
async function toldWith(key: string): Promise<string> {
  let told = '';
  await serving(key, async (world) => {
    const { jobs } = await (await createTestAgent(world, node)).report();
    told = jobs.find((job) => job.storagePoolId === pool)?.poolConfiguration ?? '';
  });
  return told;
}

it('a key that was lost is told, with the pool and the name of the key, and nothing is taken for done', async () => {
  const before = await data.db.storagePool.findMany();
  const { code, out, err } = await renew(NEW);
  expect(code).toBe(1);
  expect(err).toMatch(
    /storage pool renewed: .*key .* which auth\.encryption_key_file does not hold/,
  );
  expect(out).toBe('0 encrypted anew; 1 cannot be read, keep the older keys');
  expect(await data.db.storagePool.findMany()).toEqual(before);
});

it('what the old key encrypted is read with the new one alone, after the old one was taken out of the file', async () => {
  const done = { code: 0, err: '' };
  expect(await renew(NEW, OLD)).toEqual({ ...done, out: '1 encrypted anew; the first key alone is in use now' }); // biome-ignore format: one line
  expect(await renew(NEW)).toEqual({ ...done, out: '0 encrypted anew; the first key alone is in use now' }); // biome-ignore format: one line
  expect(JSON.parse(await toldWith(NEW))).toMatchObject([{ chapPassword: PASSWORD }]);
});

it('one that cannot be read does not keep the others from being renewed', async () => {
  const seal = async (name: string, key: string) => {
    const { id } = await data.db.storagePool.findFirstOrThrow();
    const uuid = id.replace(/^.{8}/, name === 'lost' ? '00000000' : 'ffffffff');
    const secrets = createSecretBox(key);
    const backend = await sealSecrets({ secrets }, uuid, { lun: 1, chapPassword: PASSWORD });
    await data.db.storagePool.create({
      data: { id: uuid, name, poolType: 'ISCSI', spec: { backend } as object },
    });
  };
  await seal('lost', LOST);
  await seal('kept', OLD);
  const { code, out, err } = await renew(NEW, OLD);
  expect([code, out]).toEqual([1, '1 encrypted anew; 1 cannot be read, keep the older keys']);
  expect(err).toContain('storage pool lost: ');
  expect(err).not.toContain('kept');
});
