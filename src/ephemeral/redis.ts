/** Redis as it is: every call fails when Redis does. What to do then is decided in outage.ts. */
import { randomUUID } from 'node:crypto';
import { type Redis, ReplyError } from 'ioredis';
import type { Counted, Mark, Spending } from './ephemeral.js';
import { EphemeralUnavailableError } from './errors.js';
import { ephemeralChannels, ephemeralKeys } from './keys.js';
import { RedisChannels } from './redis-channels.js';
import { connect, type RedisOptions } from './redis-connection.js';
import { COUNT, lifetime, MARK, markArguments, type Scripts } from './redis-scripts.js';

export type RedisStore = ReturnType<typeof openRedis>;

export interface RedisEvents {
  /** A connection was made, or made again: it is worth a probe. */
  onConnect(): void;
  /** A connection is gone; or there is none, and this is why. */
  onLoss(error: Error): void;
}

const PROBE_TTL_MS = 10_000;
const PROBE_MARK: Mark = {
  ...{ writer: 'probe', working: true, unsettled: '0', settled: '0' },
  ...{ unsettledMs: PROBE_TTL_MS, ttlMs: PROBE_TTL_MS },
};

/** Begins to connect, with one connection for commands and one for messages. Never throws because Redis is away. */
export function openRedis(options: RedisOptions, events: RedisEvents) {
  const commands = connect(options) as Redis & Scripts;
  const subscriber = connect(options);
  commands.defineCommand('countWithin', { numberOfKeys: 1, lua: COUNT });
  commands.defineCommand('markAll', { lua: MARK });
  const mark = (keys: readonly string[], said: Mark) => {
    const pairs = keys.flatMap((key) => [key, ephemeralKeys.writers(key)]);
    return commands.markAll(pairs.length, ...pairs, ...markArguments(said));
  };
  const channels = new RedisChannels(subscriber, commands);
  const probeKey = ephemeralKeys.probe(randomUUID());
  let closed = false;
  for (const connection of [commands, subscriber]) {
    connection.on('ready', () => events.onConnect());
    connection.on('error', (error) => closed || events.onLoss(error));
    connection.on(
      'close',
      () => closed || events.onLoss(new Error('the connection to Redis is closed')),
    );
  }

  return {
    get: (key: string) => sure(commands.get(key)),
    getMany: (keys: readonly string[]) =>
      keys.length === 0 ? Promise.resolve([]) : sure(commands.mget(...keys)),
    set: async (key: string, value: string, ttlMs: number): Promise<void> => {
      await sure(commands.set(key, value, 'PX', lifetime(ttlMs)));
    },
    mark: async (keys: readonly string[], said: Mark): Promise<void> => {
      if (keys.length > 0) await sure(mark(keys, said));
    },
    claim: async (key: string, value: string, ttlMs: number): Promise<boolean> =>
      (await sure(commands.set(key, value, 'PX', lifetime(ttlMs), 'NX'))) !== null,
    delete: async (key: string) => (await sure(commands.del(key))) > 0,
    count: async (key: string, ttlMs: number, spending?: Spending): Promise<Counted> => {
      const { by = 1, most = '' } = spending ?? {};
      const [count, rest, granted] = await sure(
        commands.countWithin(key, lifetime(ttlMs), by, most),
      );
      return { count, remainingMs: Math.max(1, rest), granted: granted === 1 };
    },
    publish: (channel: string, message: string) => sure(channels.publish(channel, message)),
    listen: channels.listen.bind(channels),
    /** Whether both connections are made, if not yet proven. */
    connected: () => commands.status === 'ready' && subscriber.status === 'ready',
    sync: () => sure(channels.sync()),
    /** Does all that is ever done. Resolves when Redis did it, and messages come from all channels that are wanted. */
    async probe(): Promise<void> {
      await sure(
        Promise.all([
          commands.set(probeKey, '0', 'PX', PROBE_TTL_MS),
          commands.countWithin(probeKey, PROBE_TTL_MS, 1, ''),
          mark([probeKey], PROBE_MARK),
          commands.mget(probeKey),
          commands.get(probeKey),
          commands.del(probeKey, ephemeralKeys.writers(probeKey)),
          channels.publish(ephemeralChannels.probe, ''),
          subscriber.ping(),
          channels.sync(),
        ]),
      );
    },
    /** Makes both connections anew: these are silent, or lead to the wrong server. */
    reconnect(): void {
      for (const connection of [commands, subscriber])
        if (connection.status === 'ready') connection.disconnect(true);
    },
    close(): void {
      closed = true;
      for (const connection of [commands, subscriber]) connection.disconnect();
    },
  };
}

/** Redis answered, with a refusal: a missing permission, no memory, a replica. */
export function isRefusal(error: unknown): error is Error {
  const cause = error instanceof EphemeralUnavailableError ? error.cause : error;
  return cause instanceof ReplyError;
}

async function sure<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EphemeralUnavailableError(`Redis: ${reason}`, { cause });
  }
}
