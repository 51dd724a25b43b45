/** `serve`: runs the control plane until it is told to stop. */

import type { App } from '../app.js';
import { describeConfig } from '../config/describe.js';
import type { Logger } from '../log.js';
import type { Demo } from './demo/start.js';
import { followReload } from './reload.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** One Ctrl-C can come twice: from the terminal, and from `npm start` which passes it on. */
const SAME_SIGNAL_MS = 250;

export async function serve(words: readonly string[], options: Options): Promise<number> {
  if (words.length > 0) throw new UsageError(`serve takes no "${words[0]}".`);
  const { config, log } = settingsOf(options);
  log.debug({ config: describeConfig(config) }, 'configuration');
  const started = exitOnSignal(log);
  if (config.mode === 'dev') (await import('../data/ahead.js')).beginMemory();
  // Loaded only now: whoever mistyped a key should not wait for a server to load.
  const { createApp } = await import('../app.js');
  const openDemo = config.mode === 'dev' ? (await import('./demo/start.js')).beginDemo() : null;
  const app = await createApp(config, { log });
  let demo: Demo | null = null;
  try {
    demo = (await openDemo?.(app, log)) ?? null;
    const server = await app.start().catch((error: NodeJS.ErrnoException) => {
      throw new Error(explainListenError(error, config.server));
    });
    started();
    if (config.mode === 'production') reloadOnSignal(app, options, log);
    const stopped = firstSignal();
    if (config.mode === 'production') followReload(app.services, options);
    log.info({ url: `${server.url}/graphql` }, 'serving');
    if (demo) process.stdout.write(demo.greeting(server.url));
    demo?.start();
    const signal = await stopped;
    log.info({ signal }, 'stopping');
  } finally {
    await demo?.stop();
    await app.stop();
  }
  log.info('stopped');
  return 0;
}

/** What can be replaced while it runs is read again. Where that fails, all stays as it was. */
function reloadOnSignal(app: App, options: Options, log: Logger): void {
  process.on('SIGHUP', () => {
    try {
      app.reload(settingsOf(options).config);
    } catch (err) {
      log.error({ err }, 'the configuration could not be read again; nothing has changed');
    }
  });
}

/** Before it serves there is nothing to finish: a signal ends the process at once. Returns how to end that. */
function exitOnSignal(log: Logger): () => void {
  const exit = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopped before it served');
    process.exit(0);
  };
  for (const signal of SIGNALS) process.on(signal, exit);
  return () => {
    for (const signal of SIGNALS) process.off(signal, exit);
  };
}

/** Resolves at the first signal. A second one does not wait for anything. */
function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    let first: number | null = null;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        const now = performance.now();
        if (first !== null && now - first > SAME_SIGNAL_MS) process.exit(1);
        first ??= now;
        resolve(signal);
      });
    }
  });
}

function explainListenError(
  error: NodeJS.ErrnoException,
  { host, port }: { host: string; port: number },
): string {
  const at = `${host}:${port}`;
  if (error.code === 'EADDRINUSE')
    return `${at} is in use by another program. Stop it, or choose another port with --port or server.port.`;
  if (error.code === 'EACCES')
    return `This user may not listen on ${at}. Ports below 1024 need a privilege.`;
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    return `${host} is not an address of this machine. Check --host or server.host.`;
  return `Cannot listen on ${at}: ${error.message}`;
}
