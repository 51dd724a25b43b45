/**
 * A machine of its own for the appliance: booted by init and OpenRC from an almost empty root, in namespaces, so that
 * nothing of the machine that runs the tests is touched. It is gone with the process that made it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir, symlink } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { KeptFolder } from '../services/process.js';
import { BUSYBOX, ETCD, NGINX, OPENSSL, POSTGRES, provide, REDIS } from '../services/provide.js';
import { until } from '../until.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BOOT = fileURLToPath(new URL('./boot.sh', import.meta.url));
const UNPACK = fileURLToPath(new URL('../services/apt-unpack.sh', import.meta.url));
const UNPACKED = ['openrc', 'librc1', 'libeinfo1', 'logrotate', 'libpopt0'];
const OPENRC = join(ROOT, '.cache', UNPACKED.join('-'));
/** As the machine itself sees the program. */
const PROGRAM = '/usr/lib/quantix-vdc';
/** /etc/inittab makes it, last of all. */
const BOOTED = '/var/booted';
const NAMESPACES = ['--mount', '--pid', '--net', '--uts', '--root', '--wd'];
/** The machine's own address beside the loopback ones: /etc/init.d/loopback gives it. */
export const ADDRESS = '192.0.2.7';
export const NAME = 'vdc-one';
/** Those that come up at boot, as the guide adds them. */
export const SERVICES = [
  'postgresql',
  'etcd',
  'redis',
  'quantix-firstboot',
  'quantix-controlplane',
  'nginx',
] as const;

const run = promisify(execFile);

export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

export class Machine {
  #init = 0;
  /** How much had been said before this boot. */
  #said = 0;
  #ended: Promise<unknown> = Promise.resolve();
  #web: ChildProcess | undefined;

  private constructor(private readonly folder: KeptFolder) {}

  /** Lays the files out; `default` are the services that come up at boot. */
  static async create(services: readonly string[]): Promise<Machine> {
    await Promise.all([POSTGRES, REDIS, ETCD, NGINX, BUSYBOX, OPENSSL].map(provide));
    await run('sh', [UNPACK, OPENRC, ...UNPACKED]);
    const folder = await KeptFolder.create('SIGKILL');
    const machine = new Machine(folder);
    await run('sh', [join(ROOT, 'openrc/install.sh')], {
      env: { ...process.env, DESTDIR: machine.path(''), PROGRAM },
    });
    // Fewer than on a real machine: a container may not give its own processes more than it has.
    const settings = 'open_files="4096"\nrespawn_delay="1"\n';
    await appendFile(machine.path('/etc/conf.d/quantix-controlplane'), settings);
    const levels = { boot: ['localmount', 'loopback'], default: services };
    for (const [level, names] of Object.entries(levels)) {
      await mkdir(machine.path(`/etc/runlevels/${level}`), { recursive: true });
      for (const name of names)
        await symlink(`/etc/init.d/${name}`, machine.path(`/etc/runlevels/${level}/${name}`));
    }
    return machine;
  }

  /** Where a file of the machine lies here. What is in /usr, /run and /dev can only be seen from inside. */
  path(file: string): string {
    return join(this.folder.path, 'root', file);
  }

  read(file: string): string {
    return readFileSync(this.path(file), 'utf8');
  }

  /** Everything that the last boot has said. */
  get log(): string {
    return readFileSync(join(this.folder.path, 'log'), 'utf8').slice(this.#said);
  }

  /** What was written to the console alone. */
  get console(): string {
    return readFileSync(join(this.folder.path, 'console'), 'utf8');
  }

  /** Returns when the last of the services was started, or could not be. */
  async boot(): Promise<void> {
    rmSync(this.path(BOOTED), { force: true });
    writeFileSync(join(this.folder.path, 'console'), '', { flag: 'a' });
    const log = openSync(join(this.folder.path, 'log'), 'a');
    this.#said = 0;
    this.#said = this.log.length;
    const unshare = [
      ...['--mount', '--pid', '--fork', '--net', '--uts', '--kill-child=KILL'],
      ...['sh', BOOT, this.folder.path, OPENRC, ROOT],
    ];
    const child = spawn('unshare', unshare, { detached: true, stdio: ['ignore', log, log] });
    await once(child, 'spawn');
    child.unref();
    this.folder.tell(`run ${child.pid}`);
    let ended = false;
    this.#ended = once(child, 'exit').then(() => {
      ended = true;
      this.folder.tell('gone');
    });
    await until(
      'the machine has booted',
      () => {
        if (ended) return 'ended';
        return existsSync(this.path(BOOTED));
      },
      100_000,
    );
    if (ended)
      throw new Error(`the machine did not boot, which takes root and namespaces:\n${this.log}`);
    this.#init = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'));
  }

  /** Everything that runs is gone at once; what is on its disk stays, and it can be booted again. */
  async powerCut(): Promise<void> {
    process.kill(this.#init, 'SIGKILL');
    await this.#ended;
  }

  /** A command line, as root at the machine. Output and errors come together. */
  async run(line: string, input = ''): Promise<Ran> {
    const child = spawn(
      'nsenter',
      ['--target', String(this.#init), ...NAMESPACES, 'sh', '-c', `exec 2>&1; ${line}`],
      {
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      },
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  /** The same for what has to succeed; gives its output. */
  async must(line: string, input = ''): Promise<string> {
    const { code, output } = await this.run(line, input);
    if (code !== 0) throw new Error(`${line} ended with ${code}:\n${output}`);
    return output;
  }

  /** SQL as the superuser, without header. */
  sql(statement: string, database = 'quantix_vdc'): Promise<string> {
    return this.must(
      `su -s /bin/sh -c 'cd / && psql -XqAt -h /run/postgresql -d ${database}' postgres`,
      statement,
    );
  }

  /** Lets connections into the machine's network, from its own address. */
  async openDoor(): Promise<void> {
    const script = `const net = require('node:net');
      net.createServer({ allowHalfOpen: true }, (here) => {
        const there = net.connect({ port: Number(process.argv[2]), host: '${ADDRESS}', localAddress: '${ADDRESS}', allowHalfOpen: true });
        here.on('error', () => there.destroy()).pipe(there).on('error', () => here.destroy()).pipe(here);
      }).listen(process.argv[1], () => console.log('open'));`;
    const doors = [443, 80].map(async (port) => {
      const inside = ['--target', String(this.#init), '--net', '--pid'];
      const door = spawn('nsenter', [
        ...inside,
        process.execPath,
        '-e',
        script,
        this.door(port),
        String(port),
      ]);
      await once(door.stdout, 'data');
      door.unref();
      this.#web = door;
    });
    await Promise.all(doors);
  }

  door(port: number): string {
    return join(this.folder.path, `port-${port}`);
  }

  /** A TLS connection to its web server that believes the machine's own authority and nobody else. */
  tls = (options: { servername?: string; maxVersion?: 'TLSv1.1' } = {}): TLSSocket =>
    connect({
      path: this.door(443),
      ca: this.read('/etc/quantix-vdc/tls/ca.crt'),
      servername: NAME,
      ...options,
    });

  /** `fetch` over such a connection. */
  fetch = async (asked: Request): Promise<Response> => {
    const url = new URL(asked.url);
    const body = Buffer.from(await asked.arrayBuffer());
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          createConnection: () => this.tls(),
          method: asked.method,
          path: url.pathname,
          headers: {
            ...Object.fromEntries(asked.headers),
            host: url.host,
            'content-length': body.length,
          },
        },
        (answer) => {
          const headers = Object.entries(answer.headers).map(([name, value]) => [
            name,
            String(value),
          ]);
          const stream = Readable.toWeb(answer) as ReadableStream;
          resolve(
            new Response(stream, {
              status: answer.statusCode ?? 0,
              headers: headers as [string, string][],
            }),
          );
        },
      );
      asked.signal.addEventListener('abort', () => sent.destroy());
      sent.once('error', reject);
      sent.end(body);
    });
  };

  async dispose(): Promise<void> {
    this.#web?.kill();
    await this.folder.dispose();
  }
}
