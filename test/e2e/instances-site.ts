/** A datacenter with several control planes on servers of its own, all of which may be ended; and clients that know only addresses. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Client } from '../support/client.js';
import { createClient } from '../support/client.js';
import { type Installation, install } from '../support/installation.js';
import type { Served } from '../support/program.js';
import { startEtcd } from '../support/services/etcd.js';
import { LOOPBACK } from '../support/services/ports.js';
import { type PostgresHandle, startPostgres } from '../support/services/postgres.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';
import type { ServerHandle } from '../support/services/server.js';
import { until } from '../support/until.js';
import { query } from './database.js';
import { type Readiness, readiness } from './expectations.js';

/** The shortest that etcd grants. */
export const LEASE_MS = 2_000;
/** What a client waits for an answer before it asks another instance. */
const PATIENCE_MS = 3_000;

export interface Site {
  readonly postgres: PostgresHandle;
  readonly etcd: ServerHandle;
  readonly redis: RedisHandle;
  readonly installation: Installation;
  /** By place; one that died stays there until `replace`. */
  readonly instances: Served[];
  /** The role of PostgreSQL as which the instance at this place works: what it wrote can be told from what others did. */
  roleOf(place: number): string;
  replace(place: number): Promise<void>;
  /** Asks the instance at this place as an administrator. Throws without an answer in time. */
  ask<R>(place: number, document: string, variables?: unknown): Promise<Answer<R>>;
  client(place: number): Promise<Client>;
  /** Signs in again, once for all who met the end of this session. */
  renew(token: string | null): void;
  ready(place: number): Promise<Readiness>;
  /** True once it is being disposed of: nobody need wait for anything any more. */
  readonly closed: () => boolean;
  dispose(): Promise<void>;
}

/**
 * @param witness statements for the database before anybody works on it
 * @param environmentOf what is particular to the instance at this place
 */
export async function openSite(
  count: number,
  witness: string,
  environmentOf: (
    place: number,
    redis: RedisHandle,
  ) => Promise<Readonly<Record<string, string>>> = async () => ({}),
): Promise<Site> {
  const [postgres, etcd, redis] = await Promise.all([
    startPostgres({ durable: true }),
    startEtcd(),
    startRedis(),
  ]);
  const { host, port, password } = redis;
  const installation = await install(
    {
      server: { request_timeout: '2s' },
      database: {
        ...{ connect_timeout: '5s', statement_timeout: '1s', lock_timeout: '1s' },
        // What a frozen instance has locked is free again after this.
        ...{ idle_in_transaction_timeout: '1s', max_connections: 8 },
      },
      etcd: {
        ...{ endpoints: [`http://${LOOPBACK}:${etcd.port}`], dial_timeout: '10s' },
        ...{ request_timeout: '500ms', lease_ttl: `${LEASE_MS}ms` },
      },
      redis: { host, port, password, command_timeout: '300ms' },
      limits: {
        ...{ requests_per_minute_address: 0, requests_per_minute_principal: 0 },
        lock_wait: '1s',
      },
      ha: { not_ready_after: '1s', disconnected_after: '5m' },
      agent: { report_interval: '100ms' },
    },
    postgres,
  );
  await installation.createUser('ada', 'ADMIN');
  const roleOf = (place: number): string => `instance_${place}`;
  const places = Array.from({ length: count }, (_, place) => place);
  const environments = await Promise.all(places.map((place) => environmentOf(place, redis)));
  const start = async (place: number): Promise<Served> =>
    installation.serve([], {
      env: { ...environments[place], QUANTIX_DATABASE_USER: roleOf(place) },
    });
  for (const place of places)
    await query(
      postgres,
      installation.database,
      `CREATE ROLE ${roleOf(place)} SUPERUSER LOGIN PASSWORD '${postgres.password}'`,
    );
  await query(postgres, installation.database, witness);
  const instances = await Promise.all(places.map(start));
  const at = (place: number): Served => instances[place % count] as Served;
  const anonymous = (place: number, token: string | null = null): Client =>
    createClient(
      (request) => fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) }),
      token,
      at(place).url,
    );

  let session: Promise<string> | null = null;
  let known: string | null = null;
  let closed = false;
  async function signIn(): Promise<string> {
    for (let place = 0; ; place += 1) {
      if (closed) throw new Error('all is over');
      try {
        known = await anonymous(place).login('ada', installation.password);
        return known;
      } catch {
        await sleep(50);
      }
    }
  }
  const token = (): Promise<string> => {
    session ??= signIn();
    return session;
  };
  const site: Site = {
    ...{ postgres, etcd, redis, installation, instances, roleOf },
    async replace(place) {
      await at(place).program.dispose();
      instances[place] = await start(place);
    },
    async ask(place, document, variables) {
      return anonymous(place, await token()).answer(document, variables);
    },
    client: async (place) => at(place).client(await token()),
    renew(ended) {
      if (ended === known) session = null;
    },
    ready: (place) => readiness(at(place).url),
    closed: () => closed,
    async dispose() {
      closed = true;
      await Promise.all(instances.map(({ program }) => program.dispose()));
      await Promise.all([postgres, etcd, redis].map((server) => server.dispose()));
    },
  };
  await Promise.all(places.map((place) => whole(site, place)));
  return site;
}

/** Waits until the instance at `place` lacks nothing. */
export const whole = (site: Site, place: number): Promise<Readiness> =>
  until(
    `instance ${place} is ready and lacks nothing`,
    async () => {
      const now = await site.ready(place);
      if (!now.ready || now.degraded.length > 0) throw new Error(JSON.stringify(now));
      return now;
    },
    20_000,
  );

const LEADER = '{ server { leader { address } } }';

/** The place of the leader as the instance at `asked` knows it, or null. */
export async function leaderSeenBy(site: Site, asked: number): Promise<number | null> {
  type Seen = { server: { leader: { address: string } | null } };
  const { data } = await site.ask<Seen>(asked, LEADER);
  const address = data?.server.leader?.address;
  const place = site.instances.findIndex(({ url }) => new URL(url).host === address);
  return place < 0 ? null : place;
}
