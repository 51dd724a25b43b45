/** The contract of the ephemeral port, for each of its adapters. */
import { openInProcessEphemeral } from '../../src/ephemeral/in-process.js';
import { openEphemeral } from '../../src/ephemeral/open.js';
import { createLogger } from '../../src/log.js';
import { redisConfig } from '../support/redis-config.js';
import { startRedis } from '../support/services/redis.js';
import { ephemeralContract } from './ephemeral-contract.js';

ephemeralContract('in-process', async () => {
  const only = openInProcessEphemeral();
  return { one: only, other: only, close: () => only.close() };
});

ephemeralContract('Redis', async () => {
  const server = await startRedis();
  const open = () => openEphemeral(redisConfig(server), createLogger({ level: 'silent' }));
  const [one, other] = await Promise.all([open(), open()]);
  return {
    one,
    other,
    async close() {
      await one.close();
      await other.close();
      await server.dispose();
    },
  };
});
