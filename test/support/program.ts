/**
 * The built program as a process: arguments, environment and standard input go in, an exit code and output come out.
 * Each runs in a temporary folder of its own, and is gone with it even when the test run is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from './client.js';
import { noteLeakWarningsIn } from './leak-warnings.js';
import { KeptFolder } from './services/process.js';
import { until } from './until.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** Longer than any start on a busy machine; only a defect comes near it. */
const PATIENCE_MS = 45_000;

/** One line of the log. */
export type LogLine = { readonly level: string; readonly msg: string } & Record<string, unknown>;

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Finished extends End {
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What comes on standard input before its end; nothing by default. */
  readonly stdin?: string;
  /** Files to put into the working folder, by name; readable by their owner only. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A running (or ended) program. */
export class Program {
  /** All that came so far. */
  stdout = '';
  stderr = '';
  /** The lines of standard output that are JSON objects. */
  readonly log: LogLine[] = [];
  readonly ended: Promise<End>;
  #rest = '';
  readonly #watchers = new Set<() => void>();

  private constructor(
    private readonly folder: KeptFolder,
    private readonly child: ChildProcess,
  ) {
    this.ended = new Promise((resolve) => {
      // "close" comes after the last of the output.
      child.once('close', (code, signal) => {
        folder.tell('gone');
        noteLeakWarningsIn(this.stderr);
        resolve({ code, signal });
        this.#wake();
      });
    });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
  }

  static async start(args: readonly string[], options: ProgramOptions = {}): Promise<Program> {
    const folder = await KeptFolder.create('SIGKILL');
    for (const [name, text] of Object.entries(options.files ?? {}))
      await writeFile(join(folder.path, name), text, { mode: 0o600 });
    // The shell waits for a word before it becomes the program: by then the keeper knows whom to end.
    const wait = 'read -r go || exit 1; exec "$@"';
    const child = spawn('/bin/sh', ['-c', wait, 'sh', process.execPath, MAIN, ...args], {
      cwd: folder.path,
      // Nothing of the test runner's environment: neither NODE_ENV=test nor somebody's QUANTIX_ variables.
      env: { PATH: process.env.PATH ?? '', HOME: folder.path, ...options.env },
      stdio: 'pipe',
    });
    const program = new Program(folder, child);
    await once(child, 'spawn');
    folder.tell(`run ${child.pid}`);
    child.stdin.on('error', () => {}); // it ended before it read
    child.stdin.end(`go\n${options.stdin ?? ''}`);
    return program;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The first line with this message (and more, when `matches` is given), waited for. */
  async logged(msg: string, matches: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    const find = () => this.log.find((line) => line.msg === msg && matches(line));
    await this.until(() => find() !== undefined, `the log line "${msg}"`);
    return find() as LogLine;
  }

  /** Waits until the output so far satisfies `done`; rejects when the program ends first, or never gets there. */
  async until(done: () => boolean, what: string): Promise<void> {
    const outcome = await new Promise<string | null>((resolve) => {
      const look = (): void => {
        if (done()) settle(null);
        else if (!this.running) void this.ended.then(() => settle(done() ? null : 'it ended'));
      };
      const settle = (result: string | null): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve(result);
      };
      const timer = setTimeout(() => settle(`${PATIENCE_MS} ms passed`), PATIENCE_MS);
      this.#watchers.add(look);
      look();
    });
    if (outcome !== null) throw new Error(`${outcome} without ${what}.\n${this.#output()}`);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Asks it to stop, and waits. A program that does not obey is killed, and that is an error. */
  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<End> {
    if (this.running) this.signal(name);
    return this.end();
  }

  /** Waits for its end without asking. */
  async end(): Promise<End> {
    const timer = setTimeout(() => this.signal('SIGKILL'), PATIENCE_MS);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }

  /** As a power cut would, when it still runs; its folder goes too. */
  async dispose(): Promise<void> {
    if (this.running) this.signal('SIGKILL');
    await this.ended;
    await this.folder.dispose();
  }

  #read(text: string): void {
    this.stdout += text;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine);
    this.#wake();
  }

  #wake(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #output(): string {
    return `--- its output\n${this.stdout.slice(-4000)}\n--- its errors\n${this.stderr.slice(-4000)}`;
  }
}

/** Runs the program to its end. */
export async function runProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Finished> {
  const program = await Program.start(args, options);
  try {
    const end = await program.end();
    return { ...end, stdout: program.stdout, stderr: program.stderr };
  } finally {
    await program.dispose();
  }
}

/** A program that serves, and how to talk to it. */
export interface Served {
  readonly program: Program;
  /** Scheme, host and port. */
  readonly url: string;
  client(token?: string | null): Client;
  signIn(username: string, password: string): Promise<Client>;
}

/** Starts `serve` on a free port and returns when it serves. */
export async function serve(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Served> {
  const program = await Program.start(['serve', '--port', '0', ...args], options);
  try {
    const { url } = await program.logged('serving');
    return servedAt(new URL(String(url)).origin, program);
  } catch (error) {
    await program.dispose();
    throw error;
  }
}

function servedAt(url: string, program: Program): Served {
  const client = (token: string | null = null) =>
    createClient((request) => fetch(request), token, url);
  return {
    program,
    url,
    client,
    // The first request of a program that has just begun may be given up where the machine is busy.
    signIn: async (username, password) =>
      client(await until(`${username} is signed in`, () => client().login(username, password))),
  };
}
