/** Which labels a machine has after some were set and others removed. */
import { expect, it } from 'vitest';
import { relabelled } from '../../src/modules/virtual-machine/rules.js';

it.each([
  ['adds', { a: '1' }, { b: '2' }, [], { a: '1', b: '2' }],
  ['changes', { a: '1', b: '2' }, { a: '9' }, [], { a: '9', b: '2' }],
  ['removes', { a: '1', b: '2' }, {}, ['a'], { b: '2' }],
  ['does both', { a: '1' }, { b: '2' }, ['a'], { b: '2' }],
  ['changes nothing that is so already', { a: '1' }, { a: '1' }, [], null],
  ['changes nothing by removing what is not there', { a: '1' }, {}, ['b', 'toString'], null],
  ['tells an empty value from none', {}, { a: '' }, [], { a: '' }],
  ['takes no name of the language for a label', {}, { constructor: '' }, [], { constructor: '' }],
] as const)('%s', (_what, labels, set, remove, expected) => {
  expect(relabelled(labels, set, remove)).toEqual(expected);
});
