import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
} from '../../src/config/duration.js';

const amounts = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['1ms', 1],
    ['500ms', 500],
    ['5s', 5_000],
    ['10m', 600_000],
    ['24h', 86_400_000],
    ['720h', 2_592_000_000],
    ['007s', 7_000],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    '',
    '5',
    's',
    '-5s',
    '+5s',
    '1.5s',
    '5 s',
    ' 5s',
    '5s ',
    '5S',
    '5sec',
    '1h30m',
    '1d',
    '5µs',
    '1e3s',
    '0x5s',
    '5s\n',
    '٥s',
    '9007199254740993ms',
    '9007199254740991h',
    '99999999999999999999s',
  ])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  test.each([
    [0, '0ms'],
    [1, '1ms'],
    [1_500, '1500ms'],
    [5_000, '5s'],
    [60_000, '1m'],
    [90_000, '90s'],
    [3_600_000, '1h'],
    [86_400_000, '24h'],
  ])('%d milliseconds are written %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  test('every whole number of milliseconds survives being written and read', () => {
    fc.assert(fc.property(amounts, (ms) => parseDuration(formatDuration(ms)) === ms));
  });

  test.each([-1, 0.5, Number.NaN, Infinity, 2 ** 53])('%d cannot be written', (milliseconds) => {
    expect(() => formatDuration(milliseconds)).toThrow(RangeError);
  });
});

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['262144', 262_144],
    ['512B', 512],
    ['256KiB', 262_144],
    ['4MiB', 4_194_304],
    ['1GiB', 1_073_741_824],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each(['', 'KiB', '1KB', '1kib', '1K', '1.5MiB', '-1', '1 KiB', '9007199254740991GiB'])(
    '%j is no size',
    (text) => {
      expect(parseBytes(text)).toBeNull();
    },
  );

  test('every whole number of bytes survives being written and read', () => {
    fc.assert(fc.property(amounts, (bytes) => parseBytes(formatBytes(bytes)) === bytes));
    const kibibytes = fc.integer({ min: 0, max: 2 ** 40 }).map((count) => count * 1024);
    fc.assert(fc.property(kibibytes, (bytes) => parseBytes(formatBytes(bytes)) === bytes));
    expect(formatBytes(262_144)).toBe('256KiB');
  });
});
