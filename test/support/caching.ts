/** What tests of the response cache need: requests with its headers, and documents of everything that may be kept. */
import { getNamedType, isObjectType } from 'graphql';
import { buildSchema } from '../../src/schema.js';
import { isUncacheable } from '../../src/server/cache/touched.js';
import type { Client } from './client.js';
import { binLists, leaves, rootLists, toMany, toOne } from './schema-walk.js';

export interface Asked {
  readonly status: number;
  readonly text: string;
  readonly data: unknown;
  readonly errors: readonly unknown[];
  /** Undefined where the cache has nothing to do with the answer. */
  readonly cache: { readonly hit: boolean; readonly ageMs: number } | undefined;
  readonly headers: Headers;
}

export interface AskOptions {
  readonly variables?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

export async function ask(
  client: Client,
  query: string,
  { variables = {}, headers = {}, body = {}, signal }: AskOptions = {},
): Promise<Asked> {
  const response = await client.raw({
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(client.token ? { authorization: `Bearer ${client.token}` } : {}),
      ...headers,
    },
    body: JSON.stringify({ query, variables, ...body }),
    ...(signal ? { signal } : {}),
  });
  return readAnswer(response);
}

export async function readAnswer(response: Response): Promise<Asked> {
  const text = await response.text();
  const { data = null, errors = [], extensions } = JSON.parse(text);
  const { status, headers } = response;
  return { status, text, data, errors, cache: extensions?.cache, headers };
}

/** The answer as it is now, whatever is kept; it is kept anew. */
export const askAnew = (client: Client, query: string, variables: object = {}): Promise<Asked> =>
  ask(client, query, { variables, headers: { 'cache-control': 'no-cache' } });

/** The fields of a type that make an answer one that is not kept. */
export function uncacheableFields(name: string): string[] {
  const type = buildSchema().getType(name);
  const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
  return fields
    .filter((field) => isUncacheable(field) || isUncacheable(getNamedType(field.type)))
    .map((field) => field.name);
}

/** All that objects of a type say of themselves and that may be kept. */
export const kept = (type: string): string => leaves(type, uncacheableFields(type));

const PAGE = 'first: 500';

/** What may be kept, in as many documents as possible: each of as few types as possible, so that what it misses is not hidden by what it hears. */
export function cacheableDocuments(): Readonly<Record<string, string>> {
  const documents: Record<string, string> = {};
  for (const { field, type } of [...rootLists, ...binLists]) {
    documents[field] = `{ ${field}(${PAGE}) { totalCount nodes { ${kept(type)} } } }`;
    for (const one of toOne(type))
      documents[`${field}.${one.field}`] =
        `{ ${field}(${PAGE}) { nodes { ${one.field} { ${kept(one.type)} } } } }`;
    for (const many of toMany(type))
      documents[`${field}.${many.field}`] =
        `{ ${field}(first: 50) { nodes { ${many.field}(first: 50) { totalCount nodes { id } } } } }`;
  }
  return documents;
}
