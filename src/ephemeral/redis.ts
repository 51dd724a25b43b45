/** Redis as it is: every call fails when Redis does. What to do then is decided in outage.ts. */
import { randomUUID } from 'node:crypto';
import { type Redis, ReplyError } from 'ioredis';
import type { Counted, Spending } from './ephemeral.js';
import { EphemeralUnavailableError } from './errors.js';
import { ephemeralChannels, ephemeralKeys } from './keys.js';
import { RedisChannels } from './redis-channels.js';
import { connect, type RedisOptions } from './redis-connection.js';

export type RedisStore = ReturnType<typeof openRedis>;

export interface RedisEvents {
  /** A connection was made, or made again: it is worth a probe. */
  onConnect(): void;
  /** A connection is gone; or there is none, and this is why. */
  onLoss(error: Error): void;
}

/** Counting does not prolong. A counter that somebody left without an end gets one. An empty bound is none. */
const COUNT = `
local by = tonumber(ARGV[2])
local granted = 1
local count
if ARGV[3] == '' then
  count = redis.call('INCRBY', KEYS[1], by)
else
  count = tonumber(redis.call('GET', KEYS[1]) or '0')
  if count + by > tonumber(ARGV[3]) then
    granted = 0
  else
    count = redis.call('INCRBY', KEYS[1], by)
  end
end
local rest = redis.call('PTTL', KEYS[1])
if rest == -2 then
  rest = tonumber(ARGV[1])
elseif rest < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  rest = tonumber(ARGV[1])
end
return {count, rest, granted}`;

interface Counting {
  countWithin(
    key: string,
    ttlMs: number,
    by: number,
    most: number | '',
  ): Promise<[number, number, number]>;
}

const PROBE_TTL_MS = 10_000;
const lifetime = (ms: number): number => Math.max(1, Math.round(ms));

/** Begins to connect, with one connection for commands and one for messages. Never throws because Redis is away. */
export function openRedis(options: RedisOptions, events: RedisEvents) {
  const commands = connect(options) as Redis & Counting;
  const subscriber = connect(options);
  commands.defineCommand('countWithin', { numberOfKeys: 1, lua: COUNT });
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
          commands.mget(probeKey),
          commands.get(probeKey),
          commands.del(probeKey),
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
