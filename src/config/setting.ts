/** Turns one written setting into its value, or into a fault that says what would be right. */
import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Entry } from './entries.js';
import type { ConfigFault } from './errors.js';
import { type Raw, trimLineEnds } from './key.js';

/** A setting as a source wrote it. */
export type Setting = {
  readonly entry: Entry;
  readonly raw: Raw;
  /** Where it stands, for people. */
  readonly source: string;
  /** What a relative path in it is relative to. */
  readonly folder: string;
};

export type Report = (fault: ConfigFault) => void;

const FILE_LIMIT = 1024 * 1024;

/** The value, with secret files read (null: not for this user); undefined after a fault was reported. */
export function readValue(setting: Setting, report: Report): { value: unknown } | undefined {
  const { entry, raw, source, folder } = setting;
  const parsed = entry.key.schema.safeParse(raw);
  if (!parsed.success) {
    report({ path: entry.path, source, message: mismatch(entry, raw, parsed.error.issues) });
    return undefined;
  }
  const { kind } = entry.key;
  if (kind !== 'secretFile' && kind !== 'file') return { value: parsed.data };
  try {
    const path = resolve(folder, String(parsed.data));
    const content = readText(path, FILE_LIMIT);
    return { value: kind === 'file' ? path : secretIn(content, entry.key.minBytes) };
  } catch (cause) {
    if (entry.key.forRoot && (cause as NodeJS.ErrnoException).code === 'EACCES')
      return { value: null };
    report({ path: entry.path, source, message: `the file it names ${reason(cause)}` });
    return undefined;
  }
}

function mismatch(
  { key }: Entry,
  raw: Raw,
  issues: readonly { readonly path: readonly PropertyKey[] }[],
): string {
  const expected = `expected ${key.expects}`;
  if (typeof raw !== 'string' && key.kind !== 'list') return `${expected}, got a list`;
  if (key.secret || key.kind === 'secretFile') return expected;
  const items = typeof raw === 'string' ? raw.split(',').map((item) => item.trim()) : raw;
  const index = issues[0]?.path[0];
  if (key.kind === 'list' && typeof index !== 'number') return `${expected}, got an empty list`;
  // `http://user:pass@host` is a likely mistake, and its password may hold the comma that splits items.
  if (items.join().includes('@')) return `${expected}, got a text with an @ in it`;
  return `${expected}, got ${shown(typeof index === 'number' ? (items[index] ?? '') : String(raw))}`;
}

/** A value in a fault. Whatever looks like more than a word could be a DSN: it may hold a password. */
function shown(text: string): string {
  if (text === '') return 'nothing';
  return /^\s?[\w.:/*+-]{1,60}\s?$/.test(text) ? JSON.stringify(text) : 'another text (not shown)';
}

function secretIn(content: string, minBytes: number): string {
  const secret = trimLineEnds(content);
  const length = Buffer.byteLength(secret);
  if (length === 0) throw new UnusableFile('is empty');
  if (length < minBytes)
    throw new UnusableFile(`holds ${length} bytes, at least ${minBytes} are needed`);
  if (secret.includes('\0')) throw new UnusableFile('is not a text file');
  return secret;
}

/** Says in the message what is wrong with a file, as the end of a sentence. */
export class UnusableFile extends Error {}

/** A fault's words for why a file cannot be used. The file's content is never among them. */
export function reason(cause: unknown): string {
  if (cause instanceof UnusableFile) return cause.message;
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  const words: Record<string, string> = {
    ENOENT: 'does not exist',
    ENOTDIR: 'does not exist',
    EACCES: 'may not be read by this user',
    EISDIR: 'is a directory',
  };
  return `${words[code] ?? 'cannot be read'} (${code})`;
}

/**
 * Reads a UTF-8 text file of at most `limit` bytes. Pipes work (`--config <(...)`), and a path
 * such as /dev/zero ends at the limit instead of filling the memory.
 */
export function readText(path: string, limit: number): string {
  const file = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let total = 0; ; ) {
      const chunk = Buffer.alloc(16 * 1024);
      const count = readSync(file, chunk);
      if (count === 0) break;
      total += count;
      if (total > limit) throw new UnusableFile(`is larger than ${limit} bytes`);
      chunks.push(chunk.subarray(0, count));
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    if (cause instanceof TypeError) throw new UnusableFile('is not UTF-8 text');
    throw cause;
  } finally {
    closeSync(file);
  }
}
