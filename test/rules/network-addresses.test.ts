import { expect, test } from 'vitest';
import { networkOf } from '../../src/modules/network/addresses.js';

test.each([
  ['10.0.0.0/24', '10.0.0.0/24'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['10.0.0.5', '10.0.0.5/32'],
  ['2001:db8::1', '2001:db8::1/128'],
  ['::/0', '::/0'],
  [null, null],
])('the network %s of the database is %s in the API', (stored, shown) => {
  expect(networkOf(stored)).toBe(shown);
});
