/**
 * Processes of a bench: each in a temporary folder of its own, ended by its id with all that lies in the folder when the bench ends,
 * however that happens: the keeper of the tests' servers sees to it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const KEEPER = fileURLToPath(new URL('../../test/support/services/keeper.sh', import.meta.url));
const READY_WITHIN_MS = 20_000;

/** @param signal what ends the process that will run there at once, but tidily */
export function keptFolder(signal, account) {
  const path = mkdtempSync(join(account ? '/tmp' : tmpdir(), 'quantix-test-bench-')); // as the keeper knows them;
  if (account) chownSync(path, account.uid, account.gid);
  const keeper = spawn('/bin/sh', [KEEPER, path, signal.replace('SIG', '')], {
    detached: true, // Ctrl-C is for us; it cleans up after us
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  keeper.stdin.on('error', () => {});
  return {
    path,
    tell: (line) => keeper.stdin.write(`${line}\n`),
    async end() {
      const ended = once(keeper, 'exit');
      keeper.stdin.end();
      await ended;
    },
  };
}

/** Runs a program until the folder ends. `ready` is tried until it resolves. */
export async function run(folder, program, args, { ready, account = {}, env, onLine } = {}) {
  const child = spawn(program, args, {
    cwd: folder.path,
    env: { PATH: process.env.PATH, HOME: folder.path, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...account,
  });
  await once(child, 'spawn');
  folder.tell(`run ${child.pid}`);
  child.once('exit', () => folder.tell('gone'));
  let tail = '';
  let rest = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      tail = (tail + text).slice(-4000);
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      if (onLine) for (const line of lines) onLine(line);
    });
  const deadline = Date.now() + READY_WITHIN_MS;
  while (ready) {
    const error = await ready().then(
      () => null,
      (cause) => cause,
    );
    if (!error) break;
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`${program} did not come up (${error.message}):\n${tail}`);
    await sleep(50);
  }
  return child;
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
