/**
 * The YAML that a configuration may use: mappings, lists and text, nothing cleverer.
 *
 * Scalars are taken as they were typed, so that a password 0123 stays 0123 and `off` stays off.
 * Anchors, aliases and tags are faults: they are how a file blows up in memory, and how
 * `password: &a b` silently becomes `b`.
 */
import { isAlias, isMap, isScalar, isSeq, type Node } from 'yaml';
import type { Raw } from './key.js';

/** A setting's value: `raw`, or in words what it is that no setting takes, or neither for an empty one. */
export function rawOf(node: Node | null): { raw?: Raw; unwanted?: string } {
  const clever = cleverness(node);
  if (clever) return { unwanted: clever };
  if (isMap(node)) return { unwanted: 'a mapping' };
  if (!isSeq(node)) {
    const text = textOf(node);
    return text == null ? {} : { raw: text };
  }
  const items: string[] = [];
  for (const item of node.items as (Node | null)[]) {
    const text = textOf(item);
    const unwanted = cleverness(item);
    if (unwanted) return { unwanted };
    if (text === undefined) return { unwanted: 'a list of something else than text' };
    if (text === null) return { unwanted: 'a list with an empty item' };
    items.push(text);
  }
  return { raw: items };
}

/** The scalar as typed; null for an empty one, `~` or `null`; undefined for what is not a scalar. */
export function textOf(node: Node | null): string | null | undefined {
  if (node === null) return null;
  if (!isScalar(node)) return undefined;
  if (node.value === null) return null;
  return node.type === 'PLAIN' ? (node.source ?? String(node.value)) : String(node.value);
}

export function cleverness(node: Node | null): string | null {
  if (isAlias(node))
    return 'an alias (*), which is not supported: write the value out, or quote it';
  if (node === null || !(isScalar(node) || isSeq(node) || isMap(node))) return null;
  if (node.anchor !== undefined) return 'an anchor (&), which is not supported: quote the text';
  if (node.tag !== undefined) return 'a tag (!), which is not supported: quote the text';
  return null;
}

/** What is wrong, by the parser's error code. Its own messages quote the file, and so may hold a secret. */
export function syntaxWords(code: string): string {
  return syntax[code] ?? 'something is out of place';
}

const syntax: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab is used as indentation, use spaces',
  BAD_INDENT: 'the indentation does not fit, or a bracket is not closed',
  BAD_SCALAR_START: 'a text that begins with @, ` or % must be quoted',
  BAD_DQ_ESCAPE: 'unknown escape in double quotes; within single quotes a backslash is just that',
  MISSING_CHAR: 'a quote, bracket, colon or comma is missing',
  BLOCK_AS_IMPLICIT_KEY: 'a text with a colon and a space in it must be quoted',
  MULTILINE_IMPLICIT_KEY: 'a key has no colon',
  UNEXPECTED_TOKEN:
    'something stands where nothing may; a text with : # [ ] { } , in it must be quoted',
  MULTIPLE_DOCS: 'the file holds more than one document (---)',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
};
