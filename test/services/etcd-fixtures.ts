/** What tests on a real etcd have in common. */
import type { EtcdOptions, Surroundings } from '../../src/coordination/etcd.js';
import { newId } from '../../src/ids.js';
import { createLogger } from '../../src/log.js';
import { LOOPBACK } from '../support/services/ports.js';

/** The shortest that etcd grants. */
export const LEASE_MS = 2_000;

export function connectionTo(port: number): EtcdOptions {
  return {
    endpoints: [`http://${LOOPBACK}:${port}`],
    requestTimeoutMs: 2_000,
    leaseTtlMs: LEASE_MS,
    tls: null,
    login: null,
  };
}

export function surroundings(name: string): Surroundings {
  return {
    instance: {
      id: newId(),
      address: `${name}:8080`,
      version: '1.2.3',
      startedAt: new Date(),
      redis: true,
    },
    mayLead: () => true,
    now: () => new Date(),
    log: createLogger({ level: process.env.ETCD_LOG ?? 'silent' }),
  };
}
