/** What every test server has in common: ports, readiness, and the handle that tests hold. */
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, LOOPBACK } from './ports.js';
import { type Account, type Command, KeptFolder, ServerProcess } from './process.js';

/** A real server that belongs to one test file. Everything of it is gone when its process ends. */
export interface ServerHandle {
  readonly host: string;
  readonly port: number;
  /** The process id while the server runs. */
  readonly pid: number | undefined;
  /** Ends it in good order (or with `signal`) and keeps its data for `restart`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** SIGKILL for all of its processes; returns when they are gone. Data stays as it lies on disk. */
  kill(): Promise<void>;
  /** Freezes it (SIGSTOP): peers see silence, not an error. */
  pause(): void;
  resume(): void;
  /** Stops it if it runs, and starts it on the same port and data; returns when it answers. */
  restart(): Promise<void>;
  /** Ends it and removes its data now, instead of when this process ends. It cannot come back. */
  dispose(): Promise<void>;
}

/** How one kind of server is laid out, run and asked whether it is there. */
export interface ServerKind {
  readonly name: string;
  readonly ports: number;
  readonly account?: Account | undefined;
  /** Ends the server at once but without litter; its data is about to be removed. */
  readonly abortSignal: NodeJS.Signals;
  /** How long a start may take, in milliseconds. Default: 30 seconds. */
  readonly readyWithinMs?: number;
  /** Lays out the folder before the first start. */
  prepare(folder: string, ports: readonly number[]): Promise<void>;
  command(folder: string, ports: readonly number[]): Command;
  /**
   * Resolves when the server of this folder serves. It must look for a mark of its own: if another
   * took the port first, that one answers while ours is still finding out. May reject or hang.
   */
  probe(port: number, folder: string): Promise<void>;
}

const READY_DEADLINE_MS = 30_000;
const PROBE_DEADLINE_MS = 2_000;
const PORT_TRIES = 5;

class AddressInUseError extends Error {}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function untilReady(
  kind: ServerKind,
  server: ServerProcess,
  probe: () => Promise<void>,
): Promise<void> {
  const { readyWithinMs = READY_DEADLINE_MS } = kind;
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    let reason: string;
    try {
      await within(probe(), PROBE_DEADLINE_MS);
      return;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    const ended = server.pid === undefined;
    if (!ended && Date.now() < deadline) {
      await sleep(25);
      continue;
    }
    const tail = await server.logTail();
    await server.kill();
    const what = ended ? 'ended before it was ready' : `was not ready in ${readyWithinMs} ms`;
    const message = `${kind.name} ${what} (${reason}). The end of its log:\n${tail}`;
    throw /address already in use/i.test(tail)
      ? new AddressInUseError(message)
      : new Error(message);
  }
}

async function attempt(kind: ServerKind): Promise<ServerHandle> {
  const [ports, folder] = await Promise.all([
    freePorts(kind.ports),
    KeptFolder.create(kind.abortSignal, kind.account),
  ]);
  const port = ports[0] as number;
  const server = new ServerProcess(folder, kind.command(folder.path, ports));
  const probe = () => kind.probe(port, folder.path);
  try {
    await kind.prepare(folder.path, ports);
    await server.start();
    await untilReady(kind, server, probe);
  } catch (error) {
    await folder.dispose();
    throw error;
  }
  return {
    host: LOOPBACK,
    port,
    get pid() {
      return server.pid;
    },
    stop: (signal) => server.stop(signal),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    async restart() {
      await server.stop();
      await server.start();
      await untilReady(kind, server, probe);
    },
    dispose: () => folder.dispose(),
  };
}

/** Starts a server and returns when it answers. Loses the race for a port gracefully. */
export async function startServer(kind: ServerKind): Promise<ServerHandle> {
  for (let i = 1; ; i += 1) {
    try {
      return await attempt(kind);
    } catch (error) {
      if (!(error instanceof AddressInUseError) || i === PORT_TRIES) throw error;
    }
  }
}

/**
 * Sends `request` over a new connection and resolves when the answer contains `expected`.
 * A connection that ends without it rejects with what did come.
 */
export function exchange(port: number, request: string, expected: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = createConnection({ host: LOOPBACK, port, timeout: PROBE_DEADLINE_MS });
    socket.setEncoding('utf8');
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      answer += chunk;
      if (!answer.includes(expected)) return;
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(new Error(`timed out; so far: ${answer}`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`closed; it said: ${answer}`)));
  });
}
