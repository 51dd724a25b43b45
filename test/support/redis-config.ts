/** The configuration of a production app whose Redis is a test server, and waiting for what becomes of that. */
import { type ConfigOverrides, defaultConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/model.js';
import type { Ephemeral } from '../../src/ephemeral/ephemeral.js';
import type { RedisHandle } from './services/redis.js';
import { until } from './until.js';

export function redisOptions(
  { host, port, password }: Pick<RedisHandle, 'host' | 'port' | 'password'>,
  overrides: Partial<Config['redis']> = {},
): Config['redis'] {
  return { ...defaultConfig().redis, host, port, password, ...overrides };
}

export function redisConfig(
  server: Pick<RedisHandle, 'host' | 'port' | 'password'>,
  overrides: Partial<Config['redis']> = {},
  others: ConfigOverrides = {},
): Config {
  return defaultConfig({ ...others, mode: 'production', redis: redisOptions(server, overrides) });
}

export const healed = (ephemeral: Ephemeral) => until('Redis is in use', () => !ephemeral.degraded);
export const lost = (ephemeral: Ephemeral) => until('Redis is away', () => ephemeral.degraded);
