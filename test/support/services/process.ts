/** Operating system processes of test servers: their family, their keeper, their life. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The account a server runs as, where that is not our own. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How to run one server program, and how it is asked to end. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly account?: Account | undefined;
  /** Ends it in good order: clients are let go and data is written. */
  readonly stopSignal: NodeJS.Signals;
}

const STOP_DEADLINE_MS = 10_000;

/** Tells whether `pid` still executes; a zombie, dead but not yet waited for, does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    // Gone between the two looks; or there is no /proc here, and then the first look has to do.
    return process.platform !== 'linux';
  }
}

function childrenOf(pid: number): number[] {
  let listed: string;
  try {
    listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    try {
      listed = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
    } catch {
      return []; // pgrep exits with 1 when there are none
    }
  }
  return listed.split(/\s+/).filter(Boolean).map(Number);
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // Ended meanwhile.
    }
  }
}

let tiedToRunner = false;

/**
 * Makes us end when the test runner that forked us ends. A vitest worker whose runner was killed goes
 * on with its test, which nobody hears of any more, and would keep its servers for as long.
 */
function tieToRunner(): void {
  if (tiedToRunner || !process.channel) return;
  tiedToRunner = true;
  // By signal, because vitest replaces process.exit in its workers.
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}

/**
 * A new temporary folder with its keeper: when we close the pipe to the keeper, or die in whatever
 * way, it ends the server in the folder and removes both.
 */
export class KeptFolder {
  private constructor(
    readonly path: string,
    private readonly keeper: ChildProcess,
  ) {}

  /** `abortSignal` makes the server end at once, without care for data but without litter. */
  static async create(abortSignal: NodeJS.Signals, owner?: Account): Promise<KeptFolder> {
    tieToRunner();
    // Another account may not be able to reach a temporary folder of our own.
    const path = await mkdtemp(join(owner ? '/tmp' : tmpdir(), 'quantix-test-'));
    const script = fileURLToPath(new URL('./keeper.sh', import.meta.url));
    // In its own session: Ctrl-C in the terminal must end us, and through us the keeper, not both.
    const keeper = spawn('/bin/sh', [script, path, abortSignal.replace(/^SIG/, '')], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    await once(keeper, 'spawn');
    // Neither may hold up the end of a program that has nothing else to do.
    keeper.unref();
    (keeper.stdin as Socket).unref();
    keeper.stdin?.on('error', () => {}); // a keeper that was killed cannot be told anything
    if (owner) await chown(path, owner.uid, owner.gid);
    return new KeptFolder(path, keeper);
  }

  tell(message: string): void {
    this.keeper.stdin?.write(`${message}\n`);
  }

  /** Ends the server, removes the folder, and returns when both are gone. */
  async dispose(): Promise<void> {
    if (this.keeper.exitCode !== null || this.keeper.signalCode !== null) return;
    this.keeper.ref();
    const exited = once(this.keeper, 'exit');
    this.keeper.stdin?.end();
    await exited;
  }
}

/** One server program in a kept folder. It can be run again after it ended. */
export class ServerProcess {
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  constructor(
    private readonly folder: KeptFolder,
    private readonly command: Command,
  ) {}

  /** The process id while it runs. */
  get pid(): number | undefined {
    const child = this.#child;
    return child && child.exitCode === null && child.signalCode === null ? child.pid : undefined;
  }

  get logFile(): string {
    return join(this.folder.path, 'server.log');
  }

  /** The last lines that the server wrote. */
  async logTail(lines = 30): Promise<string> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    return text.trimEnd().split('\n').slice(-lines).join('\n');
  }

  async start(): Promise<void> {
    const { program, args, account } = this.command;
    const log = openSync(this.logFile, 'a');
    try {
      // The shell waits for a word from us before it becomes the server. By then the keeper knows
      // its process id, so there is no moment in which our death would leave a server behind.
      const wait = 'read -r go || exit 1; exec "$@" </dev/null';
      const child = spawn('/bin/sh', ['-c', wait, 'sh', program, ...args], {
        cwd: this.folder.path,
        detached: true,
        env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
        stdio: ['pipe', log, log],
        ...(account ?? {}),
      });
      this.#child = child;
      this.#exited = new Promise((resolve) => {
        child.once('exit', () => {
          this.folder.tell('gone');
          resolve();
        });
      });
      await once(child, 'spawn');
      child.unref();
      this.folder.tell(`run ${child.pid}`);
      child.stdin?.on('error', () => {}); // it died before it read; whoever waits for it will see
      child.stdin?.end('go\n');
    } finally {
      closeSync(log);
    }
  }

  /**
   * Ends the server in good order, or with `name`, and waits. What does not obey within ten seconds
   * (clients that never leave, say) is killed. A server that has already ended is fine.
   */
  async stop(name: NodeJS.Signals = this.command.stopSignal): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    signal([pid], name);
    this.resume();
    const timer = setTimeout(() => void this.kill(), STOP_DEADLINE_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  /** SIGKILL for the server and all of its processes, as a power cut would; waits until they are gone. */
  async kill(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    signal([pid], 'SIGSTOP'); // so that it starts no process while we list them
    const family = [pid, ...childrenOf(pid)];
    signal(family, 'SIGKILL');
    while (family.some(isRunning)) await sleep(5);
    await this.#exited;
  }

  /** Freezes the server: connections stay open and new ones are accepted, but nothing is answered. */
  pause(): void {
    const { pid } = this;
    if (pid === undefined) throw new Error('cannot pause a server that does not run');
    signal([pid], 'SIGSTOP');
    signal(childrenOf(pid), 'SIGSTOP');
  }

  /** Lets a paused server go on. */
  resume(): void {
    const { pid } = this;
    if (pid !== undefined) signal([...childrenOf(pid), pid], 'SIGCONT');
  }
}
