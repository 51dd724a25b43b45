/** Simulated jobs: how far they are follows from the clock, an end stays an end, and what is not listed is forgotten. */
import { describe, expect, it } from 'vitest';
import type { Job } from '../../src/agent/jobs.js';
import { createSimulatedJobs, type SimulatedJobsOptions } from '../../src/agent/simulated-jobs.js';
import { createTestClock } from '../support/test-clock.js';

const job = (taskId: string, changes: Partial<Job> = {}): Job => ({
  taskId,
  operation: 'MIGRATE',
  cancel: false,
  virtualMachineId: 'vm',
  snapshotId: null,
  targetNodeId: null,
  imageId: null,
  storagePoolId: null,
  sourceUrl: null,
  checksum: null,
  format: null,
  poolConfiguration: null,
  volumes: [],
  ...changes,
});
const volume = (changes: object): Job['volumes'][number] => ({
  volumeId: 'v',
  storagePoolId: 'p',
  sizeBytes: '1073741824',
  provisioning: 'THIN',
  sourceType: null,
  sourceId: null,
  linked: false,
  ...changes,
});

function setUp(options: SimulatedJobsOptions = {}) {
  const clock = createTestClock();
  const durations = { MIGRATE: 1_000, ...options.durations };
  return { clock, jobs: createSimulatedJobs({ clock: clock.source, ...options, durations }) };
}

describe('a job', () => {
  it('goes on with the clock, is done at its end, and stays done', () => {
    const { clock, jobs } = setUp();
    jobs.sync([job('t')]);
    for (const [ms, progressPercent] of [
      [0, 0],
      [499, 49],
      [500, 99],
    ] as const) {
      clock.advance(ms);
      expect(jobs.observe()).toEqual([{ taskId: 't', status: 'RUNNING', progressPercent }]);
    }
    clock.advance(1);
    const [end] = jobs.observe();
    expect(end).toMatchObject({ taskId: 't', status: 'DONE' });
    clock.advance(10_000);
    jobs.sync([job('t', { cancel: true })]);
    expect(jobs.observe()).toEqual([end]);
  });

  it('told again is the same job: it does not begin anew', () => {
    const { clock, jobs } = setUp();
    jobs.sync([job('t')]);
    clock.advance(600);
    jobs.sync([job('t')]);
    expect(jobs.observe()).toMatchObject([{ progressPercent: 60 }]);
  });

  it('is forgotten when it is not listed any more, and listed again it is new', () => {
    const { clock, jobs } = setUp();
    jobs.sync([job('t'), job('u')]);
    clock.advance(600);
    jobs.sync([job('u')]);
    expect(jobs.observe()).toMatchObject([{ taskId: 'u' }]);
    jobs.sync([job('t')]);
    expect(jobs.observe()).toMatchObject([{ taskId: 't', progressPercent: 0 }]);
  });

  it('that is to be cancelled ends so, unless it was done before', () => {
    const { clock, jobs } = setUp();
    jobs.sync([job('t'), job('u')]);
    clock.advance(500);
    jobs.sync([job('t', { cancel: true }), job('u')]);
    clock.advance(500);
    jobs.sync([job('t', { cancel: true }), job('u', { cancel: true })]);
    expect(jobs.observe().map(({ status }) => status)).toEqual(['CANCELLED', 'DONE']);
  });

  it('that is cancelled before it began never runs', () => {
    const { jobs } = setUp();
    jobs.sync([job('t', { cancel: true })]);
    expect(jobs.observe()).toEqual([{ taskId: 't', status: 'CANCELLED' }]);
  });

  it('that fails does so at its end, with its reason', () => {
    const { clock, jobs } = setUp({ failure: ({ taskId }) => (taskId === 't' ? 'no' : null) });
    jobs.sync([job('t'), job('u')]);
    clock.advance(999);
    expect(jobs.observe().map(({ status }) => status)).toEqual(['RUNNING', 'RUNNING']);
    clock.advance(1);
    expect(jobs.observe()).toMatchObject([{ status: 'FAILED', reason: 'no' }, { status: 'DONE' }]);
  });

  it('of no duration is done at once, one of endless duration never, and a fast world hurries', () => {
    const durations = { CLONE: 0, DELETE_IMAGE: Number.POSITIVE_INFINITY };
    const { clock, jobs } = setUp({ speed: 2, durations });
    jobs.sync([
      job('now', { operation: 'CLONE' }),
      job('never', { operation: 'DELETE_IMAGE' }),
      job('soon'),
    ]);
    clock.advance(500);
    expect(jobs.observe()).toMatchObject([
      { taskId: 'now', status: 'DONE' },
      { taskId: 'never', status: 'RUNNING', progressPercent: 0 },
      { taskId: 'soon', status: 'DONE' },
    ]);
  });

  it('goes nowhere back when the clock is set back', () => {
    const { clock, jobs } = setUp();
    jobs.sync([job('t')]);
    clock.advance(-5_000);
    expect(jobs.observe()).toMatchObject([{ status: 'RUNNING', progressPercent: 0 }]);
  });

  it('is no more after the end of the agent', () => {
    const { jobs } = setUp();
    jobs.sync([job('t')]);
    jobs.close();
    expect(jobs.observe()).toEqual([]);
  });
});

describe('what jobs make', () => {
  const made = (operation: Job['operation'], parts: Partial<Job> = {}) => {
    const { jobs } = setUp({ durations: { [operation]: 0 }, poolCapacityBytes: 7n });
    jobs.sync([job('t', { operation, ...parts })]);
    return jobs.observe()[0]?.result;
  };

  it('is what a real one would have made', () => {
    expect(made('PREPARE_POOL')).toEqual({ capacityBytes: '7', usedBytes: '0' });
    expect(made('IMPORT_IMAGE', { imageId: 'i' })).toMatchObject({ path: '/simulated/i' });
    expect(made('CREATE_SNAPSHOT')).toEqual({ sizeBytes: String(64 * 2 ** 20) });
    expect(made('MIGRATE')).toEqual({ volumes: [] });
    const sizes = (changes: object) =>
      made('CREATE_VOLUME', { volumes: [volume(changes)] })?.volumes?.[0]?.actualSizeBytes;
    expect(sizes({})).toBe(String(4 * 2 ** 20));
    expect(sizes({ provisioning: 'THICK_EAGER' })).toBe('1073741824');
    expect(sizes({ sourceType: 'IMAGE', sourceId: 'i' })).toBe('1073741824');
    const whole = made('PROMOTE', { volumes: [volume({})] })?.volumes?.[0];
    expect(whole).toMatchObject({ actualSizeBytes: '1073741824' });
    expect(sizes({ sourceType: 'VOLUME', sourceId: 'w', linked: true })).toBe(String(2 ** 20));
  });
});
