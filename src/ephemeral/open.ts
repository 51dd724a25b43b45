/** The one place that chooses the ephemeral store: this process for --dev, Redis in production, and what to say without it. */
import type { Logger } from '../log.js';
import type { Ephemeral } from './ephemeral.js';
import { openInProcessEphemeral } from './in-process.js';
import type { OutageObserver } from './outage.js';
import type { RedisOptions } from './redis-connection.js';

/** The part of the configuration that this layer reads. */
export interface EphemeralConfig {
  readonly mode: 'dev' | 'production';
  readonly redis: RedisOptions;
}

export interface OpenOptions {
  /** Counted by the caller; the log is written here. */
  readonly observer?: Partial<OutageObserver>;
  readonly heartbeatMs?: number;
}

const HEARTBEAT_MS = 1_000;

/**
 * Opens the store of this configuration. Redis that cannot be reached is no reason not to start: it is used as soon as it is there.
 * @throws when redis.ssl_ca_file cannot be read
 */
export async function openEphemeral(
  config: EphemeralConfig,
  log: Logger,
  options: OpenOptions = {},
): Promise<Ephemeral> {
  if (config.mode === 'dev') return openInProcessEphemeral();
  // Loaded only now: it takes a moment, which --dev need not wait for.
  const { openSupervised } = await import('./outage.js');
  const { host, port, connectTimeoutMs } = config.redis;
  const { observer = {} } = options;
  const ephemeral = openSupervised(config.redis, {
    heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
    observer: {
      failed: (operation) => observer.failed?.(operation),
      dropped: () => observer.dropped?.(),
      away(error) {
        observer.away?.(error);
        log.error(
          { err: error, host, port },
          'Redis cannot be used: going on without it, each instance for itself, until it is back',
        );
      },
      back() {
        observer.back?.();
        log.info({ host, port }, 'Redis is in use');
      },
    },
  });
  await ephemeral.opened(connectTimeoutMs);
  return ephemeral;
}
