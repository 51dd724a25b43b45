/** What refusals say to people: whole sentences with the figures, their units, and what to do. */
import { describe, expect, it } from 'vitest';
import {
  AlreadyExistsError,
  InUseError,
  NoSuitableNodeError,
  QuotaExceededError,
  withArticle,
} from '../../src/errors.js';
import { QUOTA_RESOURCES } from '../../src/modules/project/rules.js';

describe('what is in use', () => {
  it.each([
    [{ count: 1, names: ['web-1'] }, '1 VirtualMachine (web-1). Remove or move it first.'],
    [{ count: 2, names: ['web-1', 'web-2'] }, '2 VirtualMachines (web-1, web-2). Remove or move them first.'],
    [{ count: 9, names: ['a', 'b', 'c', 'd', 'e'] }, '9 VirtualMachines (a, b, c, d, e and 4 more). Remove or move them first.'],
    [{ count: 3, names: [] }, '3 VirtualMachines. Remove or move them first.'],
  ])('is counted, and named as far as names are told: %j', (usage, words) => {
    const { message } = new InUseError('HypervisorNode', [{ type: 'VirtualMachine', ...usage }]);
    expect(message).toBe(`The HypervisorNode is still used by ${words}`);
  }); // biome-ignore format: a table

  it('is told for every type, and what helps if that is something else', () => {
    const usedBy = ['Volume', 'Image'].map((type) => ({ type, count: 1, names: [] }));
    expect(new InUseError('StoragePool', usedBy, 'Wait.').message).toBe(
      'The StoragePool is still used by 1 Volume, 1 Image. Wait.',
    );
  });
});

it('a quota is told with its unit', () => {
  const words = QUOTA_RESOURCES.map(
    (resource) => /of 9 (.*) does not/.exec(new QuotaExceededError(resource, 9, 8, 2).message)?.[1],
  );
  expect(words).toEqual([
    'virtual machines',
    'vCPUs',
    'MiB of memory',
    'GiB of storage',
    'volumes',
    'snapshots',
  ]);
});

it('a verdict that is not told is counted', () => {
  const verdict = { nodeId: '', fits: false, reasons: ['is cordoned'], score: null };
  const on = (nodes: number) =>
    new NoSuitableNodeError(
      Array.from({ length: nodes }, (_, i) => ({ ...verdict, hostname: `hv-${i}` })),
    ).message;
  expect(on(12)).toMatch(/^None of 12 .*; hv-9 \(is cordoned\); and 2 more\.$/);
  expect(on(10)).toMatch(/; hv-9 \(is cordoned\)\.$/);
});

it('types have the article that they are spoken with', () => {
  const names = ['Volume', 'Image', 'Alert', 'User', 'ApiToken', 'IPAddress', 'MACAddress'];
  const spoken = ['a Volume', 'an Image', 'an Alert', 'a User', 'an ApiToken', 'an IPAddress', 'a MACAddress']; // biome-ignore format: one line
  expect(names.map(withArticle)).toEqual(spoken);
  expect(new AlreadyExistsError('Image', 'name', 'x').message).toMatch(/^An Image with the name/);
});
