/**
 * What an agent keeps of itself, in a file that only its user reads: the key that it made up, and the token that it got for it.
 * The key is on disk before it is shown to anybody, so that an agent which stops at any moment comes back as the same one.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Credentials {
  readonly instanceKey: string;
  /** Null: not enrolled yet, or the answer was lost. */
  readonly token: string | null;
}

/** Null when there is no such file. Throws when there is one that cannot be read, or that is none of ours. */
export async function readCredentials(path: string): Promise<Credentials | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return parse(text, path);
}

function parse(text: string, path: string): Credentials {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const { instanceKey, token = null } = (value ?? {}) as Record<string, unknown>;
  if (typeof instanceKey === 'string' && (token === null || typeof token === 'string'))
    return { instanceKey, token };
  throw new Error(
    `${path} is not the credentials file of an agent. Name another one with --token-file.`,
  );
}

/** Those of the file; made and kept if there are none. Of two agents that start at once both get the same key. */
export async function ownCredentials(path: string): Promise<Credentials> {
  const known = await readCredentials(path);
  if (known) return known;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const made = { instanceKey: randomBytes(32).toString('base64url'), token: null };
  const draft = await writeDraft(path, made);
  try {
    await link(draft, path); // unlike rename it does not replace what somebody else made meanwhile
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readCredentials(path)) ?? made;
}

/** The old file or the new one, whatever happens in between. */
export async function keepCredentials(path: string, credentials: Credentials): Promise<void> {
  await rename(await writeDraft(path, credentials), path);
}

async function writeDraft(path: string, credentials: Credentials): Promise<string> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(credentials)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}
