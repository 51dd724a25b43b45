/** What a history tells of two values: the fields that differ, each by its path. */
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/core/json.js';
import { changesBetween, MAX_CHANGES } from '../../src/core/json-changes.js';

const told = (before: Json, after: Json) =>
  changesBetween(before, after).map(({ path, before: was, after: is }) => [
    path.join('/'),
    was,
    is,
  ]);

describe('the changes between two values', () => {
  it.each<[string, Json, Json, unknown]>([
    ['are none when they are equal', { a: { b: [1, null] } }, { a: { b: [1, null] } }, []],
    [
      'name a field as deep as it is',
      { a: { b: 1, c: 2 } },
      { a: { b: 3, c: 2 } },
      [['a/b', 1, 3]],
    ],
    [
      'name places in lists',
      { d: [{ n: 1 }, { n: 2 }] },
      { d: [{ n: 1 }, { n: 3 }] },
      [['d/1/n', 2, 3]],
    ],
    [
      'tell what came as a whole',
      { a: null },
      { a: { b: 1 }, c: [1] },
      [
        ['a', null, { b: 1 }],
        ['c', null, [1]],
      ],
    ],
    [
      'tell what went as a whole',
      { l: { x: 'y' }, m: [1, 2] },
      { m: [1] },
      [
        ['l', { x: 'y' }, null],
        ['m/1', 2, null],
      ],
    ],
    ['tell another kind as a whole', { a: [1] }, { a: { 0: 1 } }, [['a', [1], { 0: 1 }]]],
    ['keep odd keys apart', { 'a.b': 1, a: { b: 1 } }, { 'a.b': 2, a: { b: 1 } }, [['a.b', 1, 2]]],
  ])('%s', (_what, before, after, expected) => {
    expect(told(before, after)).toEqual(expected);
  });

  it('are bounded in number and depth', () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i]));
    expect(changesBetween({}, many)).toHaveLength(MAX_CHANGES);
    const deep = (value: Json): Json => {
      let nested = value;
      for (let i = 0; i < 50; i += 1) nested = { n: nested };
      return nested;
    };
    const [change, ...others] = changesBetween(deep(1), deep(2));
    expect([change?.path.length, others]).toEqual([10, []]);
  });
});
