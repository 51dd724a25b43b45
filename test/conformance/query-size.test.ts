/** How large a query is, and how many objects it may return: figures that the limits rest on. */
import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { costOf } from '../../src/server/cost.js';
import { measureDocument } from '../../src/server/document-size.js';
import { schema } from './schema.js';

const size = (query: string) => measureDocument(parse(query));
const SIZES = { defaultPageSize: 50, maxPageSize: 500 };
const cost = (query: string, variableValues: Record<string, unknown> = {}) =>
  costOf({ schema, document: parse(query), variableValues }, SIZES);

describe('the size of a document', () => {
  it.each([
    ['{ a }', { depth: 1, fields: 1, aliases: 0, directives: 0 }],
    ['{ a { b } c }', { depth: 2, fields: 3, aliases: 0, directives: 0 }],
    ['{ x: a y: a @skip(if: true) @b }', { depth: 1, fields: 2, aliases: 2, directives: 2 }],
    [
      '{ ... { ... on A { a { ... { b } } } } }',
      { depth: 2, fields: 2, aliases: 0, directives: 0 },
    ],
    [
      '{ ...A ...A } fragment A on A { x: a @b }',
      { depth: 1, fields: 2, aliases: 2, directives: 2 },
    ],
    [
      '{ a { ...A } } fragment A on A { b { ...B } } fragment B on B { c }',
      { depth: 3, fields: 3, aliases: 0, directives: 0 },
    ],
    ['{ ...Missing }', { depth: 0, fields: 0, aliases: 0, directives: 0 }],
  ])('of %s is %j', (query, expected) => {
    expect(size(query)).toEqual(expected);
  });

  it('is that of the largest operation, figure by figure', () => {
    expect(size('query A { a b c } query B @x { a { b { x: c } } }')).toEqual({
      depth: 3,
      fields: 3,
      aliases: 1,
      directives: 1,
    });
  });

  it('counts introspection as one level, for it has a limit of its own', () => {
    expect(size('{ __schema { types { fields { type { name } } } } }').depth).toBe(1);
  });

  it('is found at once, however often fragments multiply, and also when they go in circles', () => {
    const chain = Array.from(
      { length: 300 },
      (_, i) => `fragment F${i} on A { ...F${i + 1} ...F${i + 1} ...F${i + 1} }`,
    );
    const started = performance.now();
    expect(size(`{ ...F0 } ${chain.join(' ')} fragment F300 on A { a }`).fields).toBeGreaterThan(
      1e100,
    );
    expect(
      size('{ ...A } fragment A on A { a ...B } fragment B on A { b ...A }').fields,
    ).toBeLessThan(5);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('the cost in points', () => {
  it.each([
    ['{ __typename server { version } }', 1],
    ['{ virtualMachine(id: "a") { name project { name } } }', 2],
    ['{ virtualMachines(first: 10) { nodes { id } } }', 1 + 10],
    ['{ virtualMachines(last: 7) { edges { cursor node { id } } } }', 1 + 14],
    ['{ virtualMachines { nodes { id } } }', 1 + 50],
    ['{ changes { ... on ChangesPage { cursor changes { id object { id } } } } }', 1 + 100],
    ['{ changes(first: 3) { ... on ChangesPage { changes { id } } } }', 1 + 3],
    ['{ virtualMachines(first: 10) { totalCount pageInfo { hasNextPage } } }', 1 + 10],
    [
      '{ virtualMachines(first: 10) { nodes { volumes(first: 5) { nodes { id } } project { id } } } }',
      1 + 10 * (1 + 1 + 5 + 1),
    ],
    [
      '{ a: virtualMachines(first: 2) { nodes { id } } b: virtualMachines(first: 3) { nodes { id } } }',
      1 + 2 + 1 + 3,
    ],
    ['{ node(id: "a") { ... on Project { volumes(first: 9) { nodes { id } } } } }', 1 + 1 + 9],
    [
      '{ ...Q ...Q } fragment Q on Query { virtualMachines(first: 4) { nodes { id } } }',
      2 * (1 + 4),
    ],
    ['{ virtualMachines(first: 100000) { nodes { id } } }', 1 + 500],
    ['{ virtualMachines(first: -5) { nodes { id } } }', 1 + 1],
    ['{ __schema { types { name } } t: __type(name: "A") { name } }', 2 * 500],
    [
      '{ virtualMachines(first: 1) { ...C nodes { id } } } fragment C on VirtualMachineConnection { ... { totalCount } }',
      1 + 1 + 10,
    ],
    ['mutation { deleteVolume(input: { id: "a" }) { __typename } }', 10 + 1],
    [
      'mutation { bulkStartVirtualMachines(input: { ids: ["a", "b", "c"] }) { __typename } }',
      3 * 10,
    ],
  ])('of %s is %i', (query, expected) => {
    expect(cost(query)).toBe(expected);
  });

  it('depends on variables and their defaults', () => {
    const query =
      'query ($n: Int = 20, $m: Int!) { virtualMachines(first: $n) { nodes { volumes(first: $m) { nodes { id } } } } }';
    expect(cost(query, { m: 3 })).toBe(1 + 20 * (1 + 1 + 3));
    expect(cost(query, { n: 2, m: 4 })).toBe(1 + 2 * (1 + 1 + 4));
    expect(cost(query, { n: null, m: 1 })).toBe(1 + 50 * (1 + 1 + 1));
  });

  it.each([
    ['variables are missing', 'query ($n: Int!) { virtualMachines(first: $n) { nodes { id } } }'],
    ['the operation is not named', 'query A { viewer { name } } query B { viewer { name } }'],
  ])('is none when %s: executing it will say so', (_why, query) => {
    expect(cost(query)).toBe(0);
  });
});
