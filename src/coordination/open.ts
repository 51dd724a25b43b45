/** The one place that chooses how to coordinate: in this process for --dev, etcd in production, and what to do without it. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordination } from './coordination.js';
import type { Surroundings } from './etcd.js';
import type { EtcdConnection } from './etcd-client.js';
import { openInProcessCoordination } from './in-process.js';
import { withReturn } from './return.js';

/** The part of the configuration that this layer reads. Durations are milliseconds. */
export interface CoordinationConfig {
  readonly mode: 'dev' | 'production';
  readonly etcd: {
    readonly endpoints: readonly string[];
    readonly caFile: string | null;
    readonly certFile: string | null;
    readonly keyFile: string | null;
    /** Empty: nobody signs in. */
    readonly user: string;
    readonly password: string | null;
    readonly dialTimeoutMs: number;
    readonly requestTimeoutMs: number;
    readonly leaseTtlMs: number;
  };
}

const RETRY_MS = 5_000;
/** etcd and this program often start at the same time. */
const FIRST_RETRY_MS = 250;

/**
 * Opens coordination as this configuration says. Without an etcd that answers within `dial_timeout` this instance goes on
 * alone, loudly, until it does.
 * @throws {CoordinationUnavailableError} etcd answers, and refuses us: a wrong password stays wrong
 */
export async function openCoordination(
  config: CoordinationConfig,
  surroundings: Surroundings,
  options: { readonly retryMs?: number } = {},
): Promise<Coordination> {
  const { log } = surroundings;
  if (config.mode === 'dev') return openInProcessCoordination(surroundings);
  const { etcd } = config;
  // Loaded only now: it takes a moment, which --dev need not wait for.
  const { isRefusal, openEtcdCoordination } = await import('./etcd.js');
  const etcdOptions = { ...connectionOf(etcd), leaseTtlMs: etcd.leaseTtlMs };
  const open = () => openEtcdCoordination(etcdOptions, surroundings);
  const deadline = performance.now() + etcd.dialTimeoutMs;
  for (;;) {
    try {
      const coordination = await open();
      log.info({ endpoints: etcd.endpoints }, 'connected to etcd');
      return coordination;
    } catch (error) {
      if (isRefusal(error)) throw error;
      if (performance.now() + FIRST_RETRY_MS >= deadline) {
        log.error(
          { err: error, endpoints: etcd.endpoints },
          'etcd cannot be reached: this instance goes on as if it were the only one',
        );
        break;
      }
    }
    await sleep(FIRST_RETRY_MS);
  }
  return withReturn({
    alone: openInProcessCoordination(surroundings),
    reconnect: open,
    retryMs: options.retryMs ?? RETRY_MS,
    log,
  });
}

function connectionOf(etcd: CoordinationConfig['etcd']): EtcdConnection {
  const { caFile, certFile, keyFile, user, password } = etcd;
  return {
    endpoints: etcd.endpoints,
    requestTimeoutMs: etcd.requestTimeoutMs,
    tls: !etcd.endpoints.some((url) => url.startsWith('https:'))
      ? null
      : {
          ...(caFile !== null && { ca: readFileSync(caFile) }),
          ...(certFile !== null && { cert: readFileSync(certFile) }),
          ...(keyFile !== null && { key: readFileSync(keyFile) }),
        },
    login: user === '' ? null : { user, password: password ?? '' },
  };
}
