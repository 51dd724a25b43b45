/** createApp: the one place that wires. Opens what the configuration names, in order, and closes it in the reverse order. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from './clock.js';
import type { Config } from './config/model.js';
import { binKeeper } from './controllers/bin-keeper.js';
import { maintenance } from './controllers/maintenance.js';
import { nodeHealth } from './controllers/node-health.js';
import { type ControllerRunner, startControllers } from './controllers/runner.js';
import { settingsAudit } from './controllers/settings-audit.js';
import { retention, taskDeadlines } from './controllers/task-keeper.js';
import type { Coordination, Instance } from './coordination/coordination.js';
import { openCoordination } from './coordination/open.js';
import type { Services } from './core/context.js';
import { openHintBus } from './core/hints.js';
import { createMetrics } from './core/metrics.js';
import { createSecretBox } from './core/secrets.js';
import { openSettings, type Settings } from './core/settings.js';
import type { Data } from './data/client.js';
import { openData } from './data/open.js';
import { openInProcessEphemeral } from './ephemeral/in-process.js';
import { newId } from './ids.js';
import type { Logger } from './log.js';
import { createAuthenticator } from './modules/user/authenticate.js';
import { buildSchema } from './schema.js';
import { type HttpServer, listen } from './server/http.js';
import { Subscriptions } from './server/plugins/use-subscription-end.js';
import { inRequestScope } from './server/request.js';
import { openSockets } from './server/websocket.js';
import { makeYoga } from './server/yoga.js';
import { VERSION } from './version.js';

export interface AppOptions {
  readonly log: Logger;
  readonly clock?: Clock;
  /** An opened database, for tests that share one; it is not closed with the app. */
  readonly data?: Data;
  /** For a command that ends at once: it is no member, and waits for no etcd. */
  readonly alone?: boolean;
  /** Where the prepared in-memory database is kept. */
  readonly cacheDir?: string;
}

export interface App {
  readonly services: Services;
  /** Serves one request without a socket; the same code that the HTTP server runs. */
  fetch(request: Request): Promise<Response>;
  /** Listens, and begins the controllers. */
  start(): Promise<HttpServer>;
  /** Begins the controllers alone, for embedding. */
  startControllers(): void;
  /**
   * Ends subscriptions, refuses new work, lets running work finish within `server.shutdown_timeout`, closes everything.
   * Safe to call twice. What does not end in time is left to the end of the process.
   */
  stop(): Promise<void>;
}

/** What closing may take when no request runs any more, e.g. while a database does not answer. */
const CLOSING_MS = 1_000;
/** Shared settings count from the first request on, unless etcd keeps us waiting. */
const FIRST_SETTINGS_MS = 2_000;

export async function createApp(own: Config, options: AppOptions): Promise<App> {
  const { log, clock = systemClock, cacheDir } = options;
  const subscriptions = new Subscriptions();
  const opening =
    options.data ??
    openData(own, log, {
      cacheDir,
      // What they have shown so far was in memory, and is gone.
      onReturn: () => subscriptions.endAll(),
    });
  let mayLead = () => own.mode === 'dev'; // elsewhere not before the controllers begin: there is nothing to lead
  const coordinating = openCoordination(options.alone ? { ...own, mode: 'dev' } : own, {
    instance: instanceOf(own, clock),
    mayLead: () => mayLead(),
    now: () => clock.now(),
    log,
  });
  const schema = buildSchema(); // takes the time in which they open
  const [data, coordination] = await bothOrNone(opening, coordinating, options.data);
  const { config, settings } = openSettings(own, coordination, log);
  await settings.heard(0n, FIRST_SETTINGS_MS);
  const ephemeral = openInProcessEphemeral();
  const hints = await openHintBus(ephemeral, log);
  const metrics = createMetrics();
  const stopCounting = data.onStatement((_sql, durationMs) =>
    metrics.statements.observe(durationMs / 1000),
  );
  const services: Services = {
    config,
    settings,
    log,
    clock,
    data,
    ephemeral,
    coordination,
    hints,
    metrics,
    sessionKey: sessionKey(config, log),
    secrets: createSecretBox(encryptionKey(config)),
    degraded: () => degradations(config, data, coordination, settings),
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
  if (config.mode === 'production') {
    log.warn('Redis is not used yet by this version: sessions and metrics end with it');
  }

  let draining = false;
  const authenticate = createAuthenticator(services);
  const yoga = makeYoga({
    services,
    schema,
    authenticate,
    subscriptions,
    isDraining: () => draining,
  });
  let server: HttpServer | null = null;
  let controllers: ControllerRunner | null = null;
  let stopped: Promise<void> | null = null;

  const app: App = {
    services,
    fetch: (request) => inRequestScope(async () => yoga.fetch(request)),
    startControllers() {
      // What is in memory instead of PostgreSQL is nobody's but ours: a leader of that would lead nothing.
      mayLead = () => config.mode === 'dev' || data.persistent;
      controllers ??= startControllers(services, [
        nodeHealth,
        taskDeadlines,
        maintenance,
        retention,
        binKeeper,
        settingsAudit(),
      ]);
    },
    async start() {
      const sockets = openSockets(services, yoga, authenticate);
      server = await listen(yoga, sockets, config.server);
      const { port, advertiseAddress } = config.server;
      if (port === 0 && advertiseAddress === '') coordination.advertise(new URL(server.url).host);
      app.startControllers();
      return server;
    },
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
  };

  /** The order matters: nothing new comes in, streams end, running requests finish, and only then what they use is closed. */
  async function stopAll(): Promise<void> {
    const { shutdownTimeoutMs } = config.server;
    draining = true;
    subscriptions.close();
    hints.leave();
    const quiet = controllers?.stop();
    const finished = (await server?.stop(shutdownTimeoutMs)) ?? true;
    if (!finished) log.warn({ shutdownTimeoutMs }, 'running requests were cut off');
    const closed = await settledWithin(CLOSING_MS, closeAll(quiet));
    if (!closed) log.warn('what does not close is left behind');
  }

  async function closeAll(quiet: Promise<void> | undefined): Promise<void> {
    await quiet;
    await hints.close();
    settings.close();
    await coordination.close();
    await ephemeral.close();
    stopCounting();
    if (!options.data) await data.close();
  }

  return app;
}

/** Whether `work` was done in time; a failure is thrown on. */
async function settledWithin(ms: number, work: Promise<void>): Promise<boolean> {
  const waiting = new AbortController();
  const late = sleep(ms, false, { signal: waiting.signal }).catch(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    waiting.abort();
  }
}

function sessionKey({ mode, auth }: Config, log: Logger): Uint8Array {
  if (auth.jwtSecret !== null) return new TextEncoder().encode(auth.jwtSecret);
  if (mode === 'production')
    log.warn('auth.jwt_secret_file is not set: sessions end when this process does');
  return randomBytes(32);
}

/** In dev mode the database ends with the process, and so may its key. */
function encryptionKey({ mode, auth }: Config): string | null {
  return auth.encryptionKey ?? (mode === 'dev' ? randomBytes(32).toString('base64url') : null);
}

/** In dev mode everything is in memory because that was asked for; in production that is a degradation. */
function degradations(
  config: Config,
  data: Data,
  coordination: Coordination,
  settings: Settings,
): string[] {
  const unusable = settings.problems().length > 0 ? ['settings'] : [];
  if (config.mode === 'dev') return unusable;
  const alone = coordination.kind === 'in-process' || !coordination.available();
  return [
    ...(data.kind === 'memory' ? ['postgres'] : []),
    ...(alone ? ['etcd'] : []),
    'redis',
    ...unusable,
  ];
}

/** What this process tells the others of itself. */
function instanceOf({ server: { host, port, advertiseAddress } }: Config, clock: Clock): Instance {
  const address = advertiseAddress || `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { id: newId(), address, version: VERSION, startedAt: clock.now() };
}

/** Both are opened at the same time; when one cannot be, the other is closed again. */
async function bothOrNone(
  opening: Data | Promise<Data>,
  coordinating: Promise<Coordination>,
  kept: Data | undefined,
): Promise<[Data, Coordination]> {
  const [data, coordination] = await Promise.allSettled([opening, coordinating]);
  if (data.status === 'fulfilled' && coordination.status === 'fulfilled') {
    return [data.value, coordination.value];
  }
  if (data.status === 'fulfilled' && !kept) await data.value.close();
  if (coordination.status === 'fulfilled') await coordination.value.close();
  throw data.status === 'rejected' ? data.reason : (coordination as PromiseRejectedResult).reason;
}
