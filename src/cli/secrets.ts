/** `secrets renew`: encrypts all that is kept with the newest key, so that an older one can be taken out of its file. */
import { UnreadableSecretError } from '../core/secrets.js';
import { encodeGlobalId } from '../ids.js';
import { asSystem } from './as-system.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

export async function secrets(words: readonly string[], options: Options): Promise<number> {
  if (words.join(' ') !== 'renew') throw new UsageError('Say "secrets renew".');
  const settings = settingsOf({ 'log-level': 'error', ...options });
  const [{ execute }, { resealStoragePool }] = await Promise.all([
    import('../core/execute.js'),
    import('../modules/storage/reseal-command.js'),
  ]);
  let [renewed, lost] = [0, 0];
  await asSystem(settings, { command: 'secrets renew' }, async (call) => {
    const pools = await call.services.data.db.storagePool.findMany({
      select: { id: true, name: true },
      orderBy: { id: 'asc' },
    });
    for (const { id, name } of pools) {
      try {
        const input = { id: encodeGlobalId('StoragePool', id) };
        const { result } = await execute(resealStoragePool, input, call);
        renewed += (result as { resealed: boolean }).resealed ? 1 : 0;
      } catch (error) {
        if (!(error instanceof UnreadableSecretError)) throw error;
        lost += 1;
        console.error(`storage pool ${name}: ${error.message}`);
      }
    }
  });
  console.log(
    lost === 0
      ? `${renewed} encrypted anew; the first key alone is in use now`
      : `${renewed} encrypted anew; ${lost} cannot be read, keep the older keys`,
  );
  return lost === 0 ? 0 : 1;
}
