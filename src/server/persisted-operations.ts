/**
 * The documents that clients are built with, by the SHA-256 of their text: a client then sends a hash instead of a document, and a server
 * that takes nothing else cannot be asked what nobody has thought of. The file is a JSON object { hash: document }, as the code generator
 * of clients writes it (`persistedDocuments: { hashAlgorithm: 'sha256' }`).
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Config } from '../config/model.js';
import { RequestError } from '../errors.js';
import type { Logger } from '../log.js';
import { watchFiles } from './watched-files.js';

export type Documents = ReadonlyMap<string, string>;

const MAX_BYTES = 16 * 1024 * 1024;
const HASH = /^(?:sha256:)?([0-9a-f]{64})$/i;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** @throws Error that says what is wrong with the file */
export function readDocuments(path: string): Documents {
  if (statSync(path).size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
  const all: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof all !== 'object' || all === null || Array.isArray(all))
    throw new Error('it is not a JSON object { hash: document }');
  const documents = new Map<string, string>();
  for (const [key, text] of Object.entries(all)) {
    const [, hash] = HASH.exec(key) ?? [];
    if (typeof text !== 'string' || hash?.toLowerCase() !== hashOf(text))
      throw new Error(`"${key.slice(0, 80)}" is not the SHA-256 of its document`);
    documents.set(hash.toLowerCase(), text);
  }
  return documents;
}

/** What a request says of its document, wherever it came from. Nothing of it is believed. */
export interface Asked {
  readonly query?: unknown;
  readonly documentId?: unknown;
  readonly extensions?: unknown;
}

export interface PersistedOperations {
  /**
   * The text to run; undefined: the request names none, which others refuse in their words.
   * @throws RequestError the hash is unknown, or the text is not on the list where only that is taken
   */
  textOf(asked: Asked, isAgent: boolean): string | undefined;
  stop(): void;
}

/** @throws Error when the file cannot be used at the start; later the list that there was goes on to count */
export function openPersistedOperations(
  { server }: Pick<Config, 'server'>,
  log: Logger,
): PersistedOperations | null {
  const { persistedOperations: mode, persistedOperationsFile: file } = server;
  if (mode === 'off' || file === null) return null;
  const read = (): Documents => {
    try {
      return readDocuments(file);
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`server.persisted_operations_file ${file} cannot be used: ${message}`);
    }
  };
  let documents = read();
  const stop = watchFiles([file], () => {
    try {
      documents = read();
      log.info({ file, documents: documents.size }, 'the list of operations was read again');
    } catch (err) {
      log.error({ err }, 'the list of operations was changed and is no good: the old one counts');
    }
  });
  return {
    stop,
    textOf(asked, isAgent) {
      const text = typeof asked.query === 'string' && asked.query !== '' ? asked.query : undefined;
      const hash = hashIn(asked);
      if (text === undefined && hash !== undefined) {
        const known = documents.get(hash);
        if (known === undefined) throw notFound();
        return known;
      }
      // A text is what it is: the hash beside it is not needed, but it must not claim to be another one.
      if (text !== undefined && hash !== undefined && hash !== hashOf(text)) throw mismatch();
      // Agents come with the program, and may ask for little.
      if (mode === 'require' && !isAgent && text !== undefined && !documents.has(hashOf(text)))
        throw required();
      return text;
    },
  };
}

/** In both forms in which clients send it. */
function hashIn({ documentId, extensions }: Asked): string | undefined {
  const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } };
  const named = documentId ?? persistedQuery?.sha256Hash;
  if (named === undefined || named === null) return undefined;
  const [, hash] = HASH.exec(String(named)) ?? [];
  if (hash === undefined) throw notFound();
  return hash.toLowerCase();
}

const FINAL = { retryable: false };

const notFound = (): RequestError =>
  new RequestError(
    'PERSISTED_QUERY_NOT_FOUND',
    'There is no document of this hash here. Send its text, or have it put on the list.',
    400,
    FINAL,
  );
const required = (): RequestError =>
  new RequestError(
    'PERSISTED_QUERY_REQUIRED',
    'This server answers only documents on its list. Have this one put on it (server.persisted_operations_file).',
    400,
    FINAL,
  );
const mismatch = (): RequestError =>
  new RequestError('BAD_REQUEST', 'The hash is not that of the query beside it.', 400, FINAL);
