/** What of a task's own notes is told. */
import { expect, it } from 'vitest';
import { readDetails } from '../../src/modules/task/details.js';

const ID = '0199c7a0-0000-7000-8000-000000000001';

it.each<[string, unknown, object | null]>([
  ['a migration', { phase: 'COPYING', held: { vcpus: 1 } }, { phase: 'COPYING', sizeBytes: null }],
  ['a growth', { sizeBytes: '42', claimedBytes: '1' }, { sizeBytes: '42', snapshotId: null }],
  ['a snapshot', { snapshotId: ID }, { snapshotId: ID }],
  [
    'a change of disks',
    { spec: {}, attached: [ID], detached: [] },
    { attached: [ID], detached: [] },
  ],
  ['a deletion', { permanently: true }, { permanently: true }],
  ['what is not told', { spec: {}, resources: {} }, null],
  ['nothing', {}, null],
  ['what an earlier release wrote', { sizeBytes: 'much', phase: 3 }, null],
  ['no object', 'x', null],
])('of %s', (_what, details, told) => {
  const read = readDetails(details);
  if (told === null) expect(read).toBeNull();
  else expect(read).toMatchObject(told);
  expect(read ?? {}).not.toHaveProperty('spec');
});
