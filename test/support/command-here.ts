/**
 * A command of the program, run in this process: for what it says and does. That it ends, with that exit code, whatever is
 * still open, only a process of its own shows; but that costs a second each time.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { format } from 'node:util';
import { vi } from 'vitest';
import { failureOf } from '../../src/cli/failure.js';
import { run } from '../../src/cli/run.js';
import type { Finished, ProgramOptions } from './program.js';

/** One at a time: the streams and the environment of the process are lent to it. Its log goes to standard output as ever. */
export async function runHere(
  args: readonly string[],
  { env = {}, stdin = '', files = {} }: ProgramOptions = {},
): Promise<Finished> {
  const folder = await mkdtemp(join(tmpdir(), 'command-'));
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, name), text, { mode: 0o600 });
  const said = { stdout: '', stderr: '' };
  const spies = [
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([stdin]) as never),
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      said.stdout += text;
      return true;
    }),
    vi.spyOn(console, 'log').mockImplementation((...words) => {
      said.stdout += `${format(...words)}\n`;
    }),
    vi.spyOn(console, 'error').mockImplementation((...words) => {
      said.stderr += `${format(...words)}\n`;
    }),
  ];
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  try {
    // a file that is named is looked for in the folder that is lent
    const code = await run(args.map((word) => (word in files ? join(folder, word) : word)));
    return { code, signal: null, ...said };
  } catch (error) {
    const { code, message } = failureOf(error);
    return { code, signal: null, stdout: said.stdout, stderr: `${said.stderr}${message}\n` };
  } finally {
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  }
}
