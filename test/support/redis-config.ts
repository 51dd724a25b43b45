/** The configuration of a production app whose Redis is a test server. */
import { type ConfigOverrides, defaultConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/model.js';
import type { RedisHandle } from './services/redis.js';

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
