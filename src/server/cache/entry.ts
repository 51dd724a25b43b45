/** How a kept answer is found, and how it is written down. */
import { createHash } from 'node:crypto';
import { rightsText, type Viewer } from '../../core/authz.js';
import { stableStringify } from '../../core/json.js';
import { ephemeralKeys } from '../../ephemeral/keys.js';
import { VERSION } from '../../version.js';

export interface Question {
  /** What answers: another schema, or other settings, may answer something else. */
  readonly server: string;
  readonly viewer: Viewer;
  /** Hash of the document's text. */
  readonly document: string;
  readonly operationName: string | null;
  /** As `variablesText` writes them. */
  readonly variables: string;
}

export interface Entry {
  /** The generations that it was made under. */
  readonly marks: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The `data` of the answer as JSON. */
  readonly data: string;
}

/** The same text for the same variables; null when they are nested too deep to be written down. */
export function variablesText(variables: unknown): string | null {
  try {
    return stableStringify(variables ?? {});
  } catch {
    return null;
  }
}

/** Whoever gets the same key sees the same: the same person, with the same role, memberships and scope of the token. */
export function entryKey({ server, viewer, document, operationName, variables }: Question): string {
  const who = [viewer.id, viewer.name, rightsText(viewer)];
  const said = stableStringify([VERSION, server, who, document, operationName, variables]);
  return ephemeralKeys.apiCache(createHash('sha256').update(said).digest('hex'));
}

/** Two short lines and the data as it was sent, so that a hit need not be parsed. */
export function writeEntry({ marks, at, data }: Entry): string {
  return `${marks}\n${at}\n${data}`;
}

/** Null for what is none: the store may be shared with others, and old. */
export function readEntry(text: string | null): Entry | null {
  const [head = '', marks = '', at = ''] = /^([^\n]*)\n(\d{1,16})\n(?=\{)/.exec(text ?? '') ?? [];
  return text && head ? { marks, at: Number(at), data: text.slice(head.length) } : null;
}
