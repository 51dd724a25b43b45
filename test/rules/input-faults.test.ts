/** What is wrong with an input, in the words of this API: no answer speaks the language of the library that found it. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { faultsOf } from '../../src/core/input-faults.js';

const faults = (schema: z.ZodType, value: unknown) => {
  const parsed = schema.safeParse(value, { error: faultsOf });
  return parsed.error?.issues.map(({ message }) => message);
};

describe('a fault of the input', () => {
  it.each<[string, z.ZodType, unknown, string]>([
    ['a number below the least', z.number().min(256), 10, 'must be 256 at least, not 10'],
    ['a number above the most', z.number().max(1_048_576), 2e6, 'must be 1,048,576 at most, not 2,000,000'],
    ['a whole number below the least', z.bigint().min(1n), 0n, 'must be 1 at least, not 0'],
    ['a number at an open end', z.number().gt(0), 0, 'must be more than 0, not 0'],
    ['a number at an open end above', z.number().lt(1), 1, 'must be less than 1, not 1'],
    ['a fraction', z.number().int(), 1.5, 'must be a whole number'],
    ['a text that is empty', z.string().min(1), '', 'must not be empty'],
    ['a text that is short', z.string().min(8), 'secret!', 'must have at least 8 characters, not 7'],
    ['a text that is long', z.string().max(3), 'abcd', 'must have at most 3 characters, not 4'],
    ['a list that is empty', z.array(z.string()).min(1), [], 'must have at least 1 entry, not 0'],
    ['a list that is long', z.array(z.string()).max(2), ['a', 'b', 'c'], 'must have at most 2 entries, not 3'],
    ['a word that is none of the possible', z.enum(['HARD', 'SOFT']), 'FIRM', 'must be one of HARD, SOFT'],
    ['a word that is not the one', z.literal('HARD'), 'FIRM', 'must be HARD'],
    ['another type', z.string(), 7, 'must be text'],
    ['an object that should be a list', z.array(z.string()), {}, 'must be a list'],
    ['a field that is missing', z.object({ a: z.number() }), {}, 'is needed'],
    ['a field that nobody knows', z.strictObject({}), { a: 1, b: 2 }, 'has fields that are not known: a, b'],
    ['a text of another form', z.uuid(), 'x', 'must be a uuid'],
    ['a number between steps', z.number().multipleOf(512), 513, 'must be a multiple of 512'],
  ])('%s', (_case, schema, value, message) => {
    expect(faults(schema, value)).toEqual([message]);
  }); // biome-ignore format: a table

  it('keeps what a command says itself', () => {
    expect(faults(z.number().min(1, 'one at least, please'), 0)).toEqual(['one at least, please']);
  });
});
