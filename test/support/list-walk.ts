/** Paging through any list of the API, at the root or hanging on an object, the way a client does it. */
import { expect } from 'vitest';
import type { Answer, Client } from './client.js';
import { nodeTypes, type Relation, rootLists, toMany } from './schema-walk.js';

/** A connection field: of Query, or of objects of the type `on`. */
export interface ListField extends Relation {
  readonly on: string | null;
  /** For the names of tests. */
  readonly name: string;
}

export interface OrderBy {
  readonly field: string;
  readonly direction?: 'ASC' | 'DESC';
}

export interface PageArguments {
  readonly first?: unknown;
  readonly last?: unknown;
  readonly after?: unknown;
  readonly before?: unknown;
  readonly orderBy?: unknown;
  readonly filter?: unknown;
  /** The id of the object that a nested list hangs on. */
  readonly parent?: string;
}

export interface Page<N = { id: string }> {
  readonly totalCount: number;
  readonly nodes: readonly N[];
  readonly edges: readonly { cursor: string; node: { id: string } }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

export const rootListFields: readonly ListField[] = rootLists.map(({ field, type }) => ({
  field,
  type,
  on: null,
  name: field,
}));

export const nestedListFields: readonly ListField[] = nodeTypes.flatMap((on) =>
  toMany(on).map(({ field, type }) => ({ field, type, on, name: `${on}.${field}` })),
);

/** A query for a page of the list; `selection`: what of each node. */
export function pageDocument({ field, type, on }: ListField, selection = 'id'): string {
  const variables = `$first: Int, $last: Int, $after: String, $before: String, $orderBy: ${type}Order, $filter: ${type}Filter`;
  const list = `list: ${field}(first: $first, last: $last, after: $after, before: $before, orderBy: $orderBy, filter: $filter) {
    totalCount nodes { ${selection} } edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }`;
  return on === null
    ? `query(${variables}) { ${list} }`
    : `query(${variables}, $parent: ID!) { parent: node(id: $parent) { ... on ${on} { ${list} } } }`;
}

type Data<N> = { list?: Page<N>; parent?: { list: Page<N> } | null };

export async function tryPage<N = { id: string }>(
  client: Client,
  list: ListField,
  args: PageArguments,
  selection?: string,
): Promise<{ answer: Answer<unknown>; page: Page<N> | undefined }> {
  const answer = await client.answer<Data<N>, unknown>(pageDocument(list, selection), args);
  return { answer, page: answer.data?.list ?? answer.data?.parent?.list };
}

/** So many lists are asked for in one request: see `limits` on aliases and objects. */
const AT_ONCE = 40;

/** What many filters of one list find, in their order, with few requests. Any error fails the test. */
export async function getFiltered(
  client: Client,
  { field, type, on }: ListField,
  filters: readonly object[],
  parent?: string,
): Promise<{ readonly totalCount: number; readonly nodes: readonly { id: string }[] }[]> {
  const found = [];
  for (let begin = 0; begin < filters.length; begin += AT_ONCE) {
    const some = filters.slice(begin, begin + AT_ONCE);
    const given = some.map((_, i) => `$f${i}: ${type}Filter`).join(', ');
    const lists = some
      .map((_, i) => `l${i}: ${field}(first: 500, filter: $f${i}) { totalCount nodes { id } }`)
      .join(' ');
    const document =
      on === null
        ? `query(${given}) { ${lists} }`
        : `query(${given}, $parent: ID!) { parent: node(id: $parent) { ... on ${on} { ${lists} } } }`;
    const variables = Object.fromEntries(some.map((filter, i) => [`f${i}`, filter]));
    const { data, errors } = await client.answer<Record<string, never>, unknown>(document, {
      ...variables,
      parent,
    });
    expect([some, errors]).toEqual([some, []]);
    const pages: Record<string, Page> = (on === null ? data : data?.parent) ?? {};
    found.push(...some.map((_, i) => pages[`l${i}`] as Page));
  }
  return found;
}

/** A page; any error fails the test. */
export async function getPage<N = { id: string }>(
  client: Client,
  list: ListField,
  args: PageArguments,
  selection?: string,
): Promise<Page<N>> {
  const { answer, page } = await tryPage<N>(client, list, args, selection);
  expect(answer.errors).toEqual([]);
  return page ?? expect.fail(`${list.name} answered without a page`);
}

export interface WalkOptions extends PageArguments {
  readonly size: number;
  readonly backwards?: boolean;
  /** Called after each page, before the next. */
  readonly between?: (page: Page, pagesSoFar: number) => Promise<unknown>;
}

/** All pages in the order in which they were got. Stops when the answer says that there is no more; fails when that never happens. */
export async function walkPages(
  client: Client,
  list: ListField,
  { size, backwards = false, between, ...args }: WalkOptions,
): Promise<Page[]> {
  const pages: Page[] = [];
  let cursor: string | null = null;
  do {
    const place = backwards ? { last: size, before: cursor } : { first: size, after: cursor };
    const page: Page = await getPage(client, list, { ...args, ...place });
    pages.push(page);
    if (pages.length > 1_000) expect.fail(`${list.name} never ends`);
    const { pageInfo } = page;
    const more = backwards ? pageInfo.hasPreviousPage : pageInfo.hasNextPage;
    cursor = more ? (backwards ? pageInfo.startCursor : pageInfo.endCursor) : null;
    if (more) expect(cursor).not.toBeNull();
    if (cursor !== null) await between?.(page, pages.length);
  } while (cursor !== null);
  return pages;
}

/** The ids on the pages of a walk, in the list's own order. */
export function idsOf(pages: readonly Page[], backwards = false): string[] {
  const inOrder = backwards ? [...pages].reverse() : pages;
  return inOrder.flatMap(({ nodes }) => nodes.map(({ id }) => id));
}
