/** Which archives stay, and which this program can restore. */
import { describe, expect, it } from 'vitest';
import { whyNot } from '../../src/cli/backup/known.js';
import type { Manifest } from '../../src/cli/backup/manifest.js';
import { type Kept, outdated } from '../../src/cli/backup/retention.js';
import { expectedBytes } from '../../src/cli/backup/space.js';

const NOW = new Date('2027-03-14T12:00:00Z');

const manifest: Manifest = {
  format: 1,
  id: '019b76da-a800-70fe-853e-9a73b878966c',
  createdAt: NOW.toISOString(),
  program: '9.9.9',
  postgres: { version: 150_018, database: 'd', collate: 'C', ctype: 'C', bytes: 100 },
  migrations: [{ name: '000001_init', checksum: 'a' }],
  tables: {},
  feed: null,
  settings: null,
  keys: null,
  parts: { 'database.dump': { bytes: 1_000, sha256: '' } },
};

/** `+2`: good, two days old; `-2`: its proof failed; `?2`: it was never proven. */
function archive(written: string) {
  const createdAt = new Date(NOW.getTime() - Number(written.slice(1)) * 86_400_000).toISOString();
  const failure = written.startsWith('+') ? null : 'no';
  const proof = written.startsWith('?') ? null : { at: createdAt, failure };
  return { written, manifest: { ...manifest, createdAt }, proof };
}

describe('retention', () => {
  const kept = (days: number, count: number): Kept => ({ days, count });
  it.each<[string, string[], Kept, string[]]>([
    ['removes what is too old', ['+0', '+6.9', '+7.1', '+8'], kept(7, 9), ['+7.1', '+8']],
    ['removes what is too many', ['+0', '+1', '+2', '+3'], kept(7, 2), ['+2', '+3']],
    ['keeps the last good one, however old', ['-0', '+90', '+91'], kept(7, 9), ['+91']],
    ['keeps the last good one among many bad', ['-0', '-1', '-2', '+3'], kept(7, 1), ['-1', '-2']],
    ['does not let bad ones push out good ones', ['-0', '?0', '+1', '+2'], kept(7, 2), []],
    ['removes old bad ones', ['+0', '-8', '?9'], kept(7, 9), ['-8', '?9']],
    ['keeps what a clock set back makes to be of tomorrow', ['+-1', '+0'], kept(7, 9), []],
    ['removes nothing of one, or none', ['?99'], kept(7, 9), ['?99']],
    ['has nothing to do without archives', [], kept(7, 9), []],
  ])('%s', (_says, archives, policy, gone) => {
    expect(outdated(archives.map(archive), policy, NOW).map(({ written }) => written)).toEqual(
      gone,
    );
  });
});

describe('an archive', () => {
  const known = [
    { name: '000001_init', checksum: 'a' },
    { name: '000002_more', checksum: 'b' },
  ];
  it.each<[string, Partial<Manifest>, number, RegExp | null]>([
    ['of this schema or an earlier one can be restored', {}, 150_018, null],
    ['can be restored by a newer PostgreSQL', {}, 170_001, null],
    ['cannot by an older one', {}, 140_010, /PostgreSQL 15, and this server is 14/],
    ['of no schema cannot', { migrations: [] }, 150_018, /no migration was ever applied/],
    [
      'of a newer program cannot',
      { migrations: [...known, { name: '000003_next', checksum: 'c' }] },
      150_018,
      /newer program \(9\.9\.9\): it has the migration 000003_next/,
    ],
    [
      'with another migration of a known name cannot',
      { migrations: [{ name: '000001_init', checksum: 'z' }] },
      150_018,
      /000001_init is another one/,
    ],
  ])('%s', (_says, change, server, reason) => {
    const said = whyNot({ ...manifest, ...change }, known, server);
    if (reason === null) expect(said).toBeNull();
    else expect(said).toMatch(reason);
  });
});

it('is expected to be a little larger than the last one, or half of a database that has none or has doubled', () => {
  const margin = 4 * 1024 ** 2;
  const last = { ...archive('+0'), name: '', path: '' };
  expect(expectedBytes(100, last)).toBe(1_500 + margin);
  expect(expectedBytes(5_000, undefined)).toBe(2_500 + margin);
  expect(expectedBytes(5_000, last)).toBe(2_500 + margin);
});
