/** Files that survive a power cut, and checksums of them. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { explained } from './failure.js';

export interface Part {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** A folder's entries are on disk only when the folder itself was flushed. */
export async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

async function written(path: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await work(file);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw explained(error, path);
  }
}

/** Writes a new file, readable by its owner only, and flushes it. */
export async function writeNew(path: string, content: Uint8Array): Promise<Part> {
  await written(path, (file) => file.writeFile(content));
  return { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
}

/** The same from a stream, which is never held in memory. */
export async function writeStream(path: string, source: Readable): Promise<Part> {
  const hash = createHash('sha256');
  let bytes = 0;
  await written(path, async (file) => {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      await file.writeFile(chunk); // goes on where the last one ended
    }
  });
  return { bytes, sha256: hash.digest('hex') };
}

/** Replaces a small file in one step: a reader sees the old one or the new one. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const draft = `${path}.draft`;
  await rm(draft, { force: true });
  await writeNew(draft, Buffer.from(content));
  await rename(draft, path);
  await flushFolder(dirname(path));
}

export async function partOf(path: string): Promise<Part> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
