/** createApp: the one place that wires: the services, the schema on them, the server, the controllers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from './config/model.js';
import { auditRetention, auditSealer } from './controllers/audit-keeper.js';
import { binKeeper } from './controllers/bin-keeper.js';
import { drsExpiry } from './controllers/drs-expiry.js';
import { maintenance } from './controllers/maintenance.js';
import { nodeHealth } from './controllers/node-health.js';
import { type ControllerRunner, startControllers } from './controllers/runner.js';
import { sessionKeeper } from './controllers/session-keeper.js';
import { settingsAudit } from './controllers/settings-audit.js';
import { snapshotKeeper } from './controllers/snapshot-keeper.js';
import { retention, taskDeadlines } from './controllers/task-keeper.js';
import type { Services } from './core/context.js';
import { type FeedFollower, followFeed } from './core/feed-follower.js';
import { createAuthenticator } from './modules/user/authenticate.js';
import { buildSchema } from './schema.js';
import { type HttpServer, listen } from './server/http.js';
import { openPersistedOperations } from './server/persisted-operations.js';
import { Subscriptions } from './server/plugins/use-subscription-end.js';
import { RateLimiter } from './server/rate-limit.js';
import { inRequestScope } from './server/request.js';
import { openSockets } from './server/websocket.js';
import { makeYoga } from './server/yoga.js';
import { openServices, type ServicesOptions } from './services.js';

export type AppOptions = Omit<ServicesOptions, 'onReturn' | 'alone'>;

export interface App {
  readonly services: Services;
  /** Serves one request without a socket; the same code that the HTTP server runs. */
  fetch(request: Request): Promise<Response>;
  /** Listens, and begins the controllers. */
  start(): Promise<HttpServer>;
  /** Begins the controllers alone, for embedding. */
  startControllers(): void;
  /**
   * Takes over what may be replaced at run time: the keys that sign sessions.
   * @throws when they are not good; then all stays as it was
   */
  reload(config: Config): void;
  /**
   * Ends subscriptions, refuses new work, lets running work finish within `server.shutdown_timeout`, closes everything.
   * Safe to call twice. What does not end in time is left to the end of the process.
   */
  stop(): Promise<void>;
}

/** What closing may take when no request runs any more, e.g. while a database does not answer. */
const CLOSING_MS = 1_000;

export async function createApp(config: Config, options: AppOptions): Promise<App> {
  const subscriptions = new Subscriptions();
  const persisted = openPersistedOperations(config, options.log);
  // What they have shown so far was in memory, and is gone.
  const opening = openServices(config, { ...options, onReturn: () => subscriptions.endAll() });
  const schema = buildSchema(); // takes the time in which they open
  const { services, campaign, close } = await opening;
  const { log, hints, coordination } = services;

  let draining = false;
  const authenticate = createAuthenticator(services);
  const limiter = new RateLimiter(services);
  const yoga = makeYoga({
    services,
    schema,
    authenticate,
    limiter,
    subscriptions,
    persisted,
    isDraining: () => draining,
  });
  let server: HttpServer | null = null;
  let controllers: ControllerRunner | null = null;
  let follower: FeedFollower | null = null;
  let stopped: Promise<void> | null = null;

  const app: App = {
    services,
    fetch: (request) => inRequestScope(async () => yoga.fetch(request)),
    startControllers() {
      campaign();
      controllers ??= startControllers(services, [
        nodeHealth,
        taskDeadlines,
        maintenance,
        retention,
        sessionKeeper,
        binKeeper,
        snapshotKeeper,
        drsExpiry,
        settingsAudit(),
        auditSealer(),
        auditRetention,
      ]);
    },
    async start() {
      const sockets = openSockets(services, { yoga, authenticate, limiter, persisted });
      server = await listen(yoga, sockets, config.server, log);
      const { port, advertiseAddress } = config.server;
      if (port === 0 && advertiseAddress === '')
        coordination.advertise({ address: new URL(server.url).host });
      follower = followFeed(services);
      app.startControllers();
      return server;
    },
    reload({ auth }) {
      if (auth.jwtSecret === null) return;
      services.sessionKeys.replace(auth.jwtSecret);
      log.info({ keyId: services.sessionKeys.newest.id }, 'the keys that sign sessions were read');
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
    persisted?.stop();
    const quiet = controllers?.stop();
    const finished = (await server?.stop(shutdownTimeoutMs)) ?? true;
    if (!finished) log.warn({ shutdownTimeoutMs }, 'running requests were cut off');
    const closed = await settledWithin(CLOSING_MS, closeAll(quiet));
    if (!closed) log.warn('what does not close is left behind');
  }

  async function closeAll(quiet: Promise<void> | undefined): Promise<void> {
    await quiet;
    await follower?.stop();
    await close();
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
