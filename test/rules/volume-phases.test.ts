/** The phases of volumes, what each lets be done, and what a volume takes of pool and quota. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VolumePhase } from '../../src/gen/client/enums.js';
import {
  checkNewVolume,
  claimOf,
  decideVolume,
  GIB,
  gibOf,
  settledPhase,
  VOLUME_OPERATIONS,
  type VolumeOperation,
  wantedSize,
} from '../../src/modules/storage/rules.js';

/** Written from the specification, not from the table of the code. +: goes ahead. */
const TABLE = `
          CREATING READY IN_USE RESIZING DELETING ERROR
  ATTACH  -        +     -      -        -        -
  DETACH  -        -     +      -        -        -
  GROW    -        +     +      -        -        -
  CLONE   -        +     -      -        -        -
  PROMOTE -        -     +      -        -        -
  DELETE  +        +     -      -        +        +
`;
const [head = '', ...lines] = TABLE.trim().split('\n');
const phases = head.trim().split(/\s+/) as VolumePhase[];
const pairs = lines.flatMap((line) => {
  const [operation, ...cells] = line.trim().split(/\s+/);
  return phases.map((phase, i) => [operation as VolumeOperation, phase, cells[i]] as const);
});
const allowedIn = (phase: VolumePhase) =>
  pairs.filter(([, p, cell]) => p === phase && cell === '+').map(([operation]) => operation);

it('the table is about every phase and every operation', () => {
  expect([...phases].sort()).toEqual(Object.keys(VolumePhase).sort());
  expect(pairs).toHaveLength(Object.keys(VOLUME_OPERATIONS).length * phases.length);
});

describe.each(pairs)('%s while %s', (operation, phase, cell) => {
  it(cell === '+' ? 'goes ahead' : 'is refused, and says what is possible', () => {
    const decide = () => decideVolume(operation, phase);
    if (cell === '+') return expect(decide).not.toThrow();
    const code = 'INVALID_STATE';
    expect(decide).toThrow(
      expect.objectContaining({ code, current: phase, allowed: allowedIn(phase) }),
    );
  });
});

it('a volume at rest is IN_USE exactly when it is attached', () => {
  expect(settledPhase({ attachedVmId: null })).toBe('READY');
  expect(settledPhase({ attachedVmId: 'x' })).toBe('IN_USE');
});

describe('what a volume takes', () => {
  it.each([
    ['THICK_LAZY', 100n, 4, 100n],
    ['THICK_EAGER', 100n, 4, 100n],
    ['THIN', 100n, 4, 25n],
    ['THIN', 101n, 4, 26n],
    ['THIN', 100n, 1, 100n],
    ['THIN', 115n, 1.15, 100n],
    ['THIN', 65_536n * GIB, 100, (65_536n * GIB) / 100n + 1n],
  ] as const)('of its pool: %s of %s bytes at overcommit %s is %s', (kind, size, ratio, claim) => {
    expect(claimOf(kind, size, ratio)).toBe(claim);
  });

  it('is never less than its share, and never more than a byte above it', () => {
    const size = fc.bigInt({ min: 1n, max: 65_536n * GIB });
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 100 }), (bytes, ratio) => {
        const claimed = claimOf('THIN', bytes, ratio) * BigInt(ratio);
        expect(claimed >= bytes && claimed < bytes + BigInt(ratio)).toBe(true);
      }),
    );
  });

  it.each([
    [1n, 1],
    [GIB, 1],
    [GIB + 1n, 2],
  ])('of its quota: %s bytes are %s GiB', (bytes, gib) => {
    expect(gibOf(bytes)).toBe(gib);
  });
});

describe('a size', () => {
  it.each([
    [{ sizeGib: 3 }, 3n * GIB],
    [{ sizeBytes: 1_048_576n }, 1_048_576n],
    [{}, null],
  ])('%o is %s', (input, bytes) => {
    expect(wantedSize(input)).toBe(bytes);
  });

  it.each([
    { sizeGib: 1, sizeBytes: GIB },
    { sizeBytes: 0n },
    { sizeBytes: 1_048_575n },
    { sizeBytes: 1_048_577n },
    { sizeBytes: 65_536n * GIB + 512n },
    { sizeBytes: 2n ** 63n - 1n },
  ])('%o is refused', (input) => {
    expect(() => wantedSize(input)).toThrow(expect.objectContaining({ path: ['sizeBytes'] }));
  });
});

describe('a new volume', () => {
  const thin = { poolId: 'p', provisioning: 'THIN' } as const;
  const source = { poolId: 'p', leastBytes: 10n * GIB, linked: false };
  const linked = { ...source, linked: true };

  it('is as large as its source needs, or larger', () => {
    expect(checkNewVolume(null, thin, source)).toBe(10n * GIB);
    expect(checkNewVolume(11n * GIB, thin, source)).toBe(11n * GIB);
    expect(checkNewVolume(GIB, thin, null)).toBe(GIB);
    expect(checkNewVolume(null, thin, linked)).toBe(10n * GIB);
  });

  it.each([
    ['without size and source', null, thin, null, 'sizeGib'],
    ['smaller than its source', 9n * GIB, thin, source, 'sizeGib'],
    ['linked across pools', null, { ...thin, poolId: 'q' }, linked, 'poolId'],
    ['linked and thick', null, { ...thin, provisioning: 'THICK_LAZY' }, linked, 'provisioning'],
  ] as const)('%s is refused', (_, wanted, volume, from, field) => {
    expect(() => checkNewVolume(wanted, volume, from)).toThrow(
      expect.objectContaining({ code: 'VALIDATION', path: [field] }),
    );
  });
});
