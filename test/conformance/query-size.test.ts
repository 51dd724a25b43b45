/** How large a query is, and how many objects it may return: figures that the limits rest on. */
import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { countObjects } from '../../src/server/amount.js';
import { measureDocument } from '../../src/server/document-size.js';
import { schema } from './schema.js';

const size = (query: string) => measureDocument(parse(query));
const SIZES = { defaultPageSize: 50, maxPageSize: 500 };
const objects = (query: string, variableValues: Record<string, unknown> = {}) =>
  countObjects({ schema, document: parse(query), variableValues }, SIZES);

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

describe('the number of objects', () => {
  it.each([
    ['{ __typename server { version } }', 1],
    ['{ virtualMachine(id: "a") { name project { name } } }', 2],
    ['{ virtualMachines(first: 10) { nodes { id } } }', 10],
    ['{ virtualMachines(last: 7) { edges { cursor node { id } } } }', 14],
    ['{ virtualMachines { nodes { id } } }', 50],
    ['{ changes { ... on ChangesPage { cursor changes { id object { id } } } } }', 100],
    ['{ changes(first: 3) { ... on ChangesPage { changes { id } } } }', 3],
    ['{ virtualMachines(first: 10) { totalCount pageInfo { hasNextPage } } }', 0],
    [
      '{ virtualMachines(first: 10) { nodes { volumes(first: 5) { nodes { id } } project { id } } } }',
      70,
    ],
    [
      '{ a: virtualMachines(first: 2) { nodes { id } } b: virtualMachines(first: 3) { nodes { id } } }',
      5,
    ],
    ['{ node(id: "a") { ... on Project { volumes(first: 9) { nodes { id } } } } }', 10],
    ['{ ...Q ...Q } fragment Q on Query { virtualMachines(first: 4) { nodes { id } } }', 8],
    ['{ virtualMachines(first: 100000) { nodes { id } } }', 500],
    ['{ virtualMachines(first: -5) { nodes { id } } }', 1],
  ])('of %s is %i', (query, expected) => {
    expect(objects(query)).toBe(expected);
  });

  it('depends on variables and their defaults', () => {
    const query =
      'query ($n: Int = 20, $m: Int!) { virtualMachines(first: $n) { nodes { volumes(first: $m) { nodes { id } } } } }';
    expect(objects(query, { m: 3 })).toBe(20 + 20 * 3);
    expect(objects(query, { n: 2, m: 4 })).toBe(2 + 2 * 4);
    expect(objects(query, { n: null, m: 1 })).toBe(50 + 50);
  });

  it.each([
    ['variables are missing', 'query ($n: Int!) { virtualMachines(first: $n) { nodes { id } } }'],
    ['the operation is not named', 'query A { viewer { name } } query B { viewer { name } }'],
  ])('is none when %s: executing it will say so', (_why, query) => {
    expect(objects(query)).toBe(0);
  });
});
