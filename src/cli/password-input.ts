/** A password from standard input: never an argument, which the process list and the shell's history would keep. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { UsageError } from './usage.js';

/** One line. Where somebody types it, it is asked for twice, and nothing of it is shown. */
export async function readPassword(): Promise<string> {
  const { stdin, stderr } = process;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: stdin.isTTY === true });
  const ask = async (question: string): Promise<string> => {
    if (stdin.isTTY) stderr.write(question);
    const line = await new Promise<string>((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
    });
    if (stdin.isTTY) stderr.write('\n');
    return line;
  };
  try {
    const password = await ask('Password: ');
    if (password === '') throw new UsageError('No password came on standard input.');
    if (stdin.isTTY && (await ask('Once more: ')) !== password)
      throw new UsageError('The two passwords are not the same.');
    return password;
  } finally {
    lines.close();
    stdin.destroy();
  }
}
