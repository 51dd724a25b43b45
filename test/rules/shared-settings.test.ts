/** What shared settings make of an instance's own configuration. */
import { describe, expect, it } from 'vitest';
import { entries } from '../../src/config/entries.js';
import { liveConfig } from '../../src/config/live.js';
import { type ConfigOverrides, defaultConfig } from '../../src/config/load.js';
import { settle, sharedEntries } from '../../src/config/shared.js';
import { load } from '../config/support.js';

type Given = readonly (readonly [path: string, text: string])[];

const settled = (given: Given, own: ConfigOverrides = {}) =>
  settle(
    defaultConfig(own),
    given.map(([path, text]) => ({ path, text })),
  );
const problemsOf = (given: Given, own?: ConfigOverrides) =>
  settled(given, own).problems.map(({ path, message }) => `${path}: ${message}`);

describe('a shared setting', () => {
  it('counts over the file, and the file over the default', () => {
    const own = load({ yaml: 'ha:\n  not_ready_after: 20s\n' });
    expect(settle(own, []).values.get('ha.not_ready_after')).toBe(20_000);
    const given = [{ path: 'ha.not_ready_after', text: '25s' }];
    expect(settle(own, given).values.get('ha.not_ready_after')).toBe(25_000);
    expect(settle(own, given).values.get('ha.disconnected_after')).toBe(90_000);
  });

  it('is never an address, a secret, a path, or part of what is opened once', () => {
    const kinds = new Set(sharedEntries.map(({ key }) => key.kind));
    expect(
      [...kinds].filter((kind) => !/^(integer|ratio|choice|duration|bytes)$/.test(kind)),
    ).toEqual([]);
    const sections = new Set(sharedEntries.map(({ section }) => section));
    for (const section of ['server', 'database', 'etcd', 'redis', 'auth'])
      expect(sections).not.toContain(section);
    expect(sharedEntries.filter(({ key }) => key.secret)).toEqual([]);
    expect(sharedEntries.length).toBeLessThan(entries.length);
  });

  it.each([
    [[['ha.not_ready_afer', '20s']], 'Did you mean ha.not_ready_after?'],
    [[['colour', 'red']], 'systemConfig lists those that there are.'],
    [[['database.password', 'x']], 'is read once, at the start'],
    [[['__proto__', '1']], 'no such setting'],
    [
      [['ha.not_ready_after', 'soon']],
      'expected a duration such as 10m, from 1ms to 596h, got "soon"',
    ],
    [[['ha.not_ready_after', '{"value":7']], 'another text (not shown)'],
    [[['limits.max_page_size', '0']], 'an integer from 1 to 10000, got "0"'],
    [[['log.level', 'loud']], 'one of trace, debug'],
    [
      [['ha.not_ready_after', '90s']],
      'must be shorter than ha.disconnected_after, which is 90s (default)',
    ],
    [[['tasks.timeout', '30s']], '60s must be shorter than tasks.timeout, which is 30s (shared)'],
  ] as const)('%j is left out: %s', (given: Given, says) => {
    const { values, applied, problems } = settled(given);
    expect(problems.map(({ message }) => message).join()).toContain(says);
    expect(applied.size).toBe(0);
    expect(values).toEqual(settled([]).values);
  });

  it('that cannot be used leaves the others in force', () => {
    const { values, applied } = settled([
      ['log.level', 'loud'],
      ['placement.policy', 'pack'],
    ]);
    expect([...applied]).toEqual(['placement.policy']);
    expect(values.get('placement.policy')).toBe('pack');
    expect(values.get('log.level')).toBe('info');
  });
});

describe('settings that go together only with each other', () => {
  it('count whichever was set first', () => {
    for (const given of [
      [
        ['ha.not_ready_after', '100s'],
        ['ha.disconnected_after', '200s'],
      ],
      [
        ['ha.disconnected_after', '200s'],
        ['ha.not_ready_after', '100s'],
      ],
    ] as const)
      expect(settled(given)).toMatchObject({ problems: [] });
  });

  it('keep those that were there first, and count again when one comes that makes them fit', () => {
    const broken = [
      ['ha.not_ready_after', '80s'],
      ['ha.disconnected_after', '70s'],
    ] as const;
    expect([...settled(broken).applied]).toEqual(['ha.not_ready_after']);
    expect(problemsOf(broken)).toEqual([
      'ha.disconnected_after: ha.not_ready_after: 80s must be shorter than ha.disconnected_after, which is 70s (shared)',
    ]);
    // A third that cannot be used does not stand between two that need each other.
    const mixed = [
      ['ha.not_ready_after', '100s'],
      ['ha.disconnected_after', '200s'],
      ['agent.report_interval', '100s'],
    ] as const;
    expect([...settled(mixed).applied]).toEqual(['ha.disconnected_after', 'ha.not_ready_after']);
    expect(problemsOf(mixed)).toEqual([expect.stringMatching(/^agent.report_interval: /)]);
  });

  it('lower a default that has to give way, and raise it again', () => {
    const page = (given: Given) => settled(given).values.get('limits.default_page_size');
    expect(page([['limits.max_page_size', '20']])).toBe(20);
    expect(page([['limits.max_page_size', '40']])).toBe(40);
    expect(page([['limits.max_page_size', '400']])).toBe(50);
    const narrow = load({ yaml: 'limits:\n  max_page_size: 10\n' });
    const wide = settle(narrow, [{ path: 'limits.max_page_size', text: '400' }]);
    expect(wide.values.get('limits.default_page_size')).toBe(50);
  });

  it('are refused where only this instance’s own file does not allow them', () => {
    const given = [['ha.not_ready_after', '45s']] as const;
    expect(problemsOf(given)).toEqual([]);
    expect(problemsOf(given, { ha: { disconnectedAfterMs: 40_000 } })).toEqual([
      expect.stringContaining('45s must be shorter than ha.disconnected_after, which is 40s'),
    ]);
  });
});

describe('a live configuration', () => {
  it('shows what was set to whoever reads it, and everything else as it was', () => {
    const own = defaultConfig({ limits: { maxPageSize: 77 } });
    const { config, set } = liveConfig(own);
    const { limits } = config;
    expect(JSON.stringify(config)).toBe(JSON.stringify(own));
    set(settle(own, [{ path: 'limits.max_page_size', text: '99' }]).values);
    expect([limits.maxPageSize, { ...limits }.maxPageSize, own.limits.maxPageSize]).toEqual([
      99, 99, 77,
    ]);
    expect(limits.maxQueryDepth).toBe(own.limits.maxQueryDepth);
    set(settle(own, []).values);
    expect(limits.maxPageSize).toBe(77);
    expect(() => Object.assign(limits, { maxPageSize: 1 })).toThrow(TypeError);
  });
});
