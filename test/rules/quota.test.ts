/** Quota: what is allowed, what is short, and what may be stored as a quota. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ValidationError } from '../../src/errors.js';
import {
  checkQuotaCoversUse,
  findShortage,
  normalizeQuota,
  QUOTA_COLUMNS,
  QUOTA_RESOURCES,
  type Quota,
  quotaInput,
  type UsageRow,
} from '../../src/modules/project/rules.js';

const NO_USE: UsageRow = {
  usedVirtualMachines: 0,
  usedVcpus: 0,
  usedMemoryMib: 0,
  usedStorageGib: 0,
  usedVolumes: 0,
  usedSnapshots: 0,
};

describe('a shortage', () => {
  it.each<[string, Quota, Partial<UsageRow>, object, ReturnType<typeof findShortage>]>([
    ['is none without a quota', {}, { usedVcpus: 1e6 }, { vcpus: 1e6 }, null],
    ['is none when null stands for unlimited', { vcpus: null }, {}, { vcpus: 9 }, null],
    ['is none when it just fits', { vcpus: 8 }, { usedVcpus: 6 }, { vcpus: 2 }, null],
    [
      'is named with its figures',
      { virtualMachines: 10, vcpus: 8 },
      { usedVcpus: 7 },
      { virtualMachines: 1, vcpus: 2 },
      { resource: 'vcpus', limit: 8, used: 7, requested: 2 },
    ],
    [
      'of nothing allowed is a shortage too',
      { snapshots: 0 },
      {},
      { snapshots: 1 },
      { resource: 'snapshots', limit: 0, used: 0, requested: 1 },
    ],
    [
      'is not found where nothing is asked for, even above the limit',
      { volumes: 1 },
      { usedVolumes: 5 },
      { virtualMachines: 1 },
      null,
    ],
    [
      'is what the counter cannot count, without a quota too',
      {},
      { usedVcpus: 2_147_483_640 },
      { vcpus: 8 },
      { resource: 'vcpus', limit: 2_147_483_647, used: 2_147_483_640, requested: 8 },
    ],
    [
      'of more than a figure can say is said as much as it can',
      {},
      {},
      { storageGib: 2 ** 33 },
      { resource: 'storageGib', limit: 2_147_483_647, used: 0, requested: 2_147_483_647 },
    ],
    ['is no reason not to give back', { volumes: 1 }, { usedVolumes: 5 }, { volumes: -1 }, null],
  ])('%s', (_case, quota, use, wanted, expected) => {
    expect(findShortage(quota, { ...NO_USE, ...use }, wanted)).toEqual(expected);
  });
});

const amount = fc.nat(50);
const anyAmounts = fc.record(Object.fromEntries(QUOTA_RESOURCES.map((r) => [r, amount])), {
  requiredKeys: [],
});
const anyQuota = fc.record(Object.fromEntries(QUOTA_RESOURCES.map((r) => [r, fc.option(amount)])), {
  requiredKeys: [],
}) as fc.Arbitrary<Quota>;
const anyUse = fc.record(
  Object.fromEntries(Object.values(QUOTA_COLUMNS).map((column) => [column, amount])),
) as unknown as fc.Arbitrary<UsageRow>;

describe('whatever quota, use and wish', () => {
  it('there is a shortage exactly when some resource that is asked for would pass its limit', () => {
    fc.assert(
      fc.property(anyQuota, anyUse, anyAmounts, (quota, use, wanted) => {
        const over = QUOTA_RESOURCES.filter((resource) => {
          const limit = quota[resource];
          const more = wanted[resource] ?? 0;
          return limit != null && more > 0 && use[QUOTA_COLUMNS[resource]] + more > limit;
        });
        const shortage = findShortage(quota, use, wanted);
        expect(shortage === null).toBe(over.length === 0);
        if (shortage) expect(over).toContain(shortage.resource);
      }),
    );
  });

  it('what is stored reads the same, says nothing of what is unlimited, and is stable', () => {
    fc.assert(
      fc.property(anyQuota, anyUse, anyAmounts, (quota, use, wanted) => {
        const stored = normalizeQuota(quota);
        expect(Object.values(stored).every((limit) => typeof limit === 'number')).toBe(true);
        expect(normalizeQuota(stored)).toEqual(stored);
        expect(findShortage(stored, use, wanted)).toEqual(findShortage(quota, use, wanted));
      }),
    );
  });

  it('a quota is accepted exactly when nothing in use is above it', () => {
    fc.assert(
      fc.property(anyQuota, anyUse, (quota, use) => {
        const broken = QUOTA_RESOURCES.filter(
          (r) => quota[r] != null && use[QUOTA_COLUMNS[r]] > Number(quota[r]),
        );
        try {
          checkQuotaCoversUse(quota, use);
          expect(broken).toEqual([]);
        } catch (error) {
          if (!(error instanceof ValidationError)) throw error;
          expect(error.issues.map((issue) => issue.path)).toEqual(broken.map((r) => ['quota', r]));
        }
      }),
    );
  });
});

describe('the input', () => {
  it.each([-1, 1.5, 2 ** 31, Number.NaN])('%d is no limit', (limit) => {
    expect(quotaInput.safeParse({ vcpus: limit }).success).toBe(false);
  });

  it('takes 0, the largest number a column holds, and null', () => {
    const quota = { vcpus: 0, memoryMib: 2 ** 31 - 1, volumes: null };
    expect(quotaInput.parse(quota)).toEqual(quota);
  });
});
