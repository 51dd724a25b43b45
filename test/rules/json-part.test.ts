import { expect, test } from 'vitest';
import { z } from 'zod';
import { readKey, readPart } from '../../src/core/json-part.js';

const SHAPE = { name: z.string(), size: z.number() };

test('a part has every key of its shape and no other', () => {
  expect(readPart(SHAPE, { name: 'a', password: 'x' })).toEqual({ name: 'a', size: null });
});

test('a part of something that is no object is all null', () => {
  for (const json of [null, undefined, 1, 'name', true]) {
    expect(readPart(SHAPE, json)).toEqual({ name: null, size: null });
  }
});

test('what an object inherits does not count as its own', () => {
  expect(readKey({}, 'constructor')).toBeUndefined();
  expect(readKey({}, '__proto__')).toBeUndefined();
  expect(readPart({ toString: z.any() }, {}).toString).toBeNull();
});
