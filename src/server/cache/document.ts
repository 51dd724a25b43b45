/** What is known of a document by its text alone: whether its answer may be kept, and what makes it stale. Found once, then remembered. */
import { createHash } from 'node:crypto';
import { type DocumentNode, type GraphQLSchema, getOperationAST, parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { OperationFacts } from '../../core/context.js';
import { describeOperation } from '../plugins/use-operation-metrics.js';
import { type Dependencies, Walk } from './walk.js';

export interface CacheableDocument extends Dependencies {
  /** Of the text. */
  readonly hash: string;
  readonly operation: OperationFacts;
}

/** Clients have few documents; whoever sends many of them only makes us parse them again. */
const MAX_DOCUMENTS = 1_000;

/** Null: not to be kept, or no good document at all; the engine will say which. */
export type FindDocument = (text: string, operationName: string | null) => CacheableDocument | null;

export function documentFinder(schema: GraphQLSchema, maxTokens: number): FindDocument {
  const known = new LRUCache<string, { readonly document: CacheableDocument | null }>({
    max: MAX_DOCUMENTS,
  });
  return (text, operationName) => {
    const hash = createHash('sha256').update(text, 'utf16le').digest('base64url');
    const key = `${hash} ${operationName ?? ''}`;
    const hit = known.get(key);
    if (hit) return hit.document;
    const document = examine(schema, text, hash, operationName, maxTokens);
    known.set(key, { document });
    return document;
  };
}

function examine(
  schema: GraphQLSchema,
  text: string,
  hash: string,
  operationName: string | null,
  maxTokens: number,
): CacheableDocument | null {
  let document: DocumentNode;
  try {
    document = parse(text, { noLocation: true, maxTokens });
  } catch {
    return null;
  }
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== 'query') return null;
  const found = new Walk(schema, document).of(operation);
  if (!found || found.unless.some((name) => text.includes(name))) return null;
  return { hash, ...found, operation: describeOperation(document, operationName) };
}
