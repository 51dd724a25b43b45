/** openServices: the one place that opens what the configuration names. Closed in the reverse order. */
import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from './clock.js';
import type { Config } from './config/model.js';
import type { Coordination, Instance } from './coordination/coordination.js';
import { openCoordination } from './coordination/open.js';
import { openAuditBacklog } from './core/audit-backlog.js';
import { openGenerations } from './core/cache.js';
import type { Services } from './core/context.js';
import { openHintBus } from './core/hints.js';
import { createMetrics } from './core/metrics.js';
import { createSecretBox } from './core/secrets.js';
import { SessionKeys } from './core/session-keys.js';
import { openSettings } from './core/settings.js';
import { openSettling } from './core/settling.js';
import { slowStatementLog } from './core/slow-statements.js';
import { TYPES_WITH_TABLES, typesOfTables } from './core/tables.js';
import type { Data } from './data/client.js';
import { openData } from './data/open.js';
import type { Ephemeral } from './ephemeral/ephemeral.js';
import { openEphemeral } from './ephemeral/open.js';
import { newId } from './ids.js';
import type { Logger } from './log.js';
import { currentRequestId } from './server/request.js';
import { VERSION } from './version.js';

export interface ServicesOptions {
  readonly log: Logger;
  readonly clock?: Clock;
  /** An opened database, for tests that share one; it is not closed with the rest. */
  readonly data?: Data;
  /** For a command that ends at once: it is no member of anything, needs no etcd, and makes do without Redis without a word. */
  readonly alone?: boolean;
  /** Where the prepared in-memory database is kept. */
  readonly cacheDir?: string;
  /** Called when PostgreSQL replaces the database in memory: what was shown until then is gone. */
  readonly onReturn?: () => void;
}

export interface OpenServices {
  readonly services: Services;
  /** From now on this instance may lead. */
  campaign(): void;
  close(): Promise<void>;
}

/** Shared settings count from the first request on, unless etcd keeps us waiting. */
const FIRST_SETTINGS_MS = 2_000;

/** @param own what this process was started with; what all instances share is laid over it, and follows while they run */
export async function openServices(own: Config, options: ServicesOptions): Promise<OpenServices> {
  const { log, clock = systemClock, cacheDir, alone = false } = options;
  const keys = sessionKeys(own, log, alone); // a fault in them is told before anything is opened
  const metrics = createMetrics();
  let forgetAll = (): void => {};
  const onReturn = (): void => {
    options.onReturn?.();
    forgetAll();
  };
  const instance = instanceOf(own, clock);
  let mayLead = () => own.mode === 'dev'; // elsewhere not before the controllers begin: there is nothing to lead
  const opening = {
    data: options.data ?? openData(own, log, { cacheDir, onReturn }),
    coordination: openCoordination(alone ? { ...own, mode: 'dev' } : own, {
      instance,
      mayLead: () => mayLead(),
      now: () => clock.now(),
      log,
    }),
    ephemeral: openEphemeral(own, alone ? log.child({}, { level: 'silent' }) : log, {
      observer: metrics.redis,
    }),
  };
  const { data, coordination, ephemeral } = await allOrNone(opening, options.data);
  const { config, settings } = openSettings(own, coordination, log);
  await settings.heard(0n, FIRST_SETTINGS_MS);
  const hints = await openHintBus(ephemeral, log);
  const monotonic = () => clock.monotonic();
  const slowStatement = slowStatementLog({
    thresholdMs: config.database.slowStatementMs,
    log,
    monotonic,
    requestId: currentRequestId,
    count: () => metrics.slowStatements.inc(),
  });
  const stopCounting = data.onStatement((sql, durationMs) => {
    metrics.statements.observe(durationMs / 1000);
    // in memory there is one connection: a wait there says nothing about a database
    if (data.kind === 'postgres') slowStatement(sql, durationMs);
  });
  // Without Redis every instance of production keeps marks of its own, and knows nothing of the writes of others.
  const settling = openSettling({
    ...{ data, ephemeral, coordination, monotonic, log },
    address: instance.address,
    forgetAll: () => generations.raise(TYPES_WITH_TABLES),
  });
  const isShared = () => config.mode === 'dev' || (ephemeral.kind === 'redis' && settling.settled);
  const generations = openGenerations({ ephemeral, metrics, log, isShared });
  forgetAll = () => void generations.raise(TYPES_WITH_TABLES);
  const stopRaising = data.onWrite({
    beginning: settling.beforeCommit,
    async writing(tables) {
      await generations.unsettle(typesOfTables(tables));
      await settling.beforeCommit(); // Redis may have been lost since it began
    },
    written: (tables, inDoubt) => generations.settle(typesOfTables(tables), inDoubt),
  });
  const audit = openAuditBacklog({ data, log, metrics });
  const services: Services = {
    config,
    settings,
    log,
    clock,
    data,
    ephemeral,
    coordination,
    hints,
    generations,
    settling,
    metrics,
    audit,
    sessionKeys: keys,
    secrets: createSecretBox(encryptionKey(config)),
    degraded: () => degradations(services),
  };
  log.info(
    {
      mode: config.mode,
      database: data.kind,
      coordination: coordination.kind,
      ephemeral: ephemeral.kind,
    },
    'adapters chosen',
  );
  return {
    services,
    campaign() {
      // What is in memory instead of PostgreSQL is nobody's but ours: a leader of that would lead nothing.
      mayLead = () => config.mode === 'dev' || data.persistent;
    },
    async close() {
      await audit.close();
      await hints.close();
      stopRaising();
      await settling.close();
      generations.close();
      settings.close();
      await coordination.close();
      await ephemeral.close();
      stopCounting();
      if (!options.data) await data.close();
    },
  };
}

interface Ports {
  readonly data: Data;
  readonly coordination: Coordination;
  readonly ephemeral: Ephemeral;
}

/** All are opened at the same time; when one cannot be, the others are closed again, but for `kept`. */
async function allOrNone(
  opening: { readonly [Name in keyof Ports]: Ports[Name] | Promise<Ports[Name]> },
  kept: Data | undefined,
): Promise<Ports> {
  const settled = await Promise.allSettled(
    Object.entries(opening).map(async ([name, port]) => [name, await port] as const),
  );
  const opened = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = settled.find((one) => one.status === 'rejected');
  if (!failed) return Object.fromEntries(opened) as unknown as Ports;
  for (const [, port] of opened) if (port !== kept) await port.close();
  throw failed.reason;
}

function sessionKeys({ mode, auth }: Config, log: Logger, alone: boolean): SessionKeys {
  if (auth.jwtSecret !== null) return new SessionKeys(auth.jwtSecret);
  if (mode === 'production' && !alone)
    log.warn('auth.jwt_secret_file is not set: sessions end when this process does');
  return new SessionKeys(randomBytes(32).toString('base64url'));
}

/** In dev mode the database ends with the process, and so may its key. */
function encryptionKey({ mode, auth }: Config): string | null {
  return auth.encryptionKey ?? (mode === 'dev' ? randomBytes(32).toString('base64url') : null);
}

/** In dev mode everything is in memory because that was asked for; in production that is a degradation. */
function degradations({
  config,
  data,
  coordination,
  ephemeral,
  settings,
}: Omit<Services, 'degraded'>): string[] {
  const unusable = settings.problems().length > 0 ? ['settings'] : [];
  if (config.mode === 'dev') return unusable;
  const alone = coordination.kind === 'in-process' || !coordination.available();
  return [
    ...(data.kind === 'memory' || !data.available ? ['postgres'] : []),
    ...(alone ? ['etcd'] : []),
    ...(ephemeral.degraded ? ['redis'] : []),
    ...unusable,
  ];
}

/** What this process tells the others of itself. */
function instanceOf({ server: { host, port, advertiseAddress } }: Config, clock: Clock): Instance {
  const address = advertiseAddress || `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { id: newId(), address, version: VERSION, startedAt: clock.now(), redis: true };
}
