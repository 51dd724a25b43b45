/** What Redis keeps of a database that was replaced: sessions of users who may not be the same now, and answers of before. */
import { Redis } from 'ioredis';
import type { Config } from '../../config/model.js';
import { ofTheDatabase } from '../../ephemeral/keys.js';
import { access } from '../../ephemeral/redis-connection.js';
import { BackupError } from './failure.js';

const BATCH = 500;

/** @throws {BackupError} Redis does not answer */
export async function forgetInRedis({ redis: settings }: Config): Promise<number> {
  const client = new Redis({
    ...access(settings),
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: settings.connectTimeoutMs,
    commandTimeout: Math.max(settings.commandTimeoutMs, 5_000),
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectionName: 'qx-controlplane restore',
  });
  let first: Error | null = null;
  client.on('error', (error: Error) => {
    first ??= error;
    client.stream?.on('error', () => {}); // see redis-connection.ts
  });
  try {
    await client.connect();
    let count = 0;
    for (const pattern of ofTheDatabase) {
      let cursor = '0';
      do {
        const [next, keys] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', BATCH);
        if (keys.length > 0) count += await client.del(...keys);
        cursor = next;
      } while (cursor !== '0');
    }
    return count;
  } catch (error) {
    const cause = first ?? (error as Error);
    throw new BackupError(`Redis does not answer: ${cause.message}`, { cause });
  } finally {
    client.disconnect();
  }
}
