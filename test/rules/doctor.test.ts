/** What the doctor makes of its facts: tables of states, without any server. */
import { describe, expect, it } from 'vitest';
import { postgresTuning, TUNING } from '../../src/cli/appliance/postgres-tuning.js';
import { defineCheck, NotReached, runCheck, type Site } from '../../src/cli/doctor/check.js';
import { CHECKS } from '../../src/cli/doctor/checks.js';
import { judgeClock } from '../../src/cli/doctor/clock.js';
import { judgeConfiguration } from '../../src/cli/doctor/configuration.js';
import { judgeDisks } from '../../src/cli/doctor/disk.js';
import { type EtcdFacts, judgeEtcd } from '../../src/cli/doctor/etcd.js';
import {
  type Judgement,
  notice,
  ok,
  problem,
  warning,
  worst,
} from '../../src/cli/doctor/finding.js';
import { judgePostgres, type PostgresFacts } from '../../src/cli/doctor/postgres.js';
import { type ActivityFacts, judgeActivity } from '../../src/cli/doctor/postgres-activity.js';
import { judgeReplication } from '../../src/cli/doctor/postgres-replication.js';
import { judgeSettings, type SettingsFacts } from '../../src/cli/doctor/postgres-settings.js';
import { judgeStorage, type StorageFacts } from '../../src/cli/doctor/postgres-storage.js';
import { judgeTuning } from '../../src/cli/doctor/postgres-tuning.js';
import { judgeRedis } from '../../src/cli/doctor/redis.js';
import { printFindings } from '../../src/cli/doctor/report.js';
import { GIB, MIB, size, time } from '../../src/cli/doctor/units.js';
import { defaultConfig } from '../../src/config/load.js';

/** Level and seen of each, so that a table shows what is said. */
const said = (judgements: readonly Judgement[]) =>
  judgements.map(({ level, seen }) => `${level}: ${seen}`);
const matching = (...patterns: string[]) => patterns.map((text) => expect.stringContaining(text));

describe('PostgreSQL', () => {
  const facts: PostgresFacts = {
    address: 'q@db:5432/v',
    local: false,
    sslMode: 'verify-full',
    refusal: null,
    server: { version: 160_004, versionText: '16.4', tls: 'TLSv1.3', standby: false },
  };
  const server = (
    change: Partial<NonNullable<PostgresFacts['server']>>,
  ): Partial<PostgresFacts> => ({
    server: { version: 160_004, versionText: '16.4', tls: 'TLSv1.3', standby: false, ...change },
  });
  const refused = (code: string | null, reason = 'no'): Partial<PostgresFacts> => ({
    server: null,
    refusal: { code, reason },
  });
  it.each<[string, Partial<PostgresFacts>, string[]]>([
    ['well', {}, ['ok: q@db:5432/v is version 16.4, TLSv1.3']],
    ['unencrypted on this machine', { local: true, ...server({ tls: null }) }, ['ok: ']],
    ['unencrypted elsewhere', server({ tls: null }), ['warning: the connection is not encrypted']],
    ['unproved', { sslMode: 'require' }, ['notice: the connection is encrypted (TLSv1.3), but']],
    ['unproved name', { sslMode: 'verify-ca' }, ['notice: the connection is encrypted']],
    ['old', server({ version: 130_009 }), ['warning: q@db:5432/v is version']],
    ['new', server({ version: 190_000 }), ['warning: q@db:5432/v is version']],
    ['a standby', server({ standby: true }), ['problem: q@db:5432/v is a standby']],
    [
      'refused',
      refused('28P01', 'wrong password'),
      ['problem: q@db:5432/v cannot be used: wrong password'],
    ],
  ])('that is %s', (_what, change, expected) => {
    expect(said(judgePostgres({ ...facts, ...change }))).toEqual(matching(...expected));
  });

  it.each([
    ['28P01', 'x', 'database.password_file'],
    ['3D000', 'x', 'docs/database.md'],
    ['53300', 'x', 'Raise max_connections'],
    ['57P03', 'x', 'ask again'],
    [null, 'certificate has expired', 'database.ssl_ca_file'],
    ['ECONNREFUSED', 'connect ECONNREFUSED', 'Start PostgreSQL'],
  ])('refusing with %s (%s) is answered with %s', (code, reason, advice) => {
    expect(judgePostgres({ ...facts, ...refused(code, reason) })).toMatchObject([
      { level: 'problem', advice: expect.stringContaining(advice) },
    ]);
  });
});

describe('settings of PostgreSQL', () => {
  const good: SettingsFacts = {
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    autovacuum: 'on',
    track_counts: 'on',
    password_encryption: 'scram-sha-256',
    log_timezone: 'Etc/UTC',
    idle_in_transaction_session_timeout: '10min',
    shared_buffers: 2 * GIB,
    work_mem: 16 * MIB,
    effective_cache_size: 6 * GIB,
    connections: 197,
    ours: 50,
    local: false,
  };
  it.each<[Partial<SettingsFacts>, string[]]>([
    [{}, ['ok: durable, maintained, room for 3 instances']],
    [{ fsync: 'off' }, ['problem: fsync']],
    [{ full_page_writes: 'off' }, ['problem: full_page_writes']],
    [{ synchronous_commit: 'off' }, ['problem: synchronous_commit']],
    [{ synchronous_commit: 'remote_apply' }, ['ok']],
    [{ autovacuum: 'off', track_counts: 'off' }, ['problem: autovacuum', 'problem: track_counts']],
    [{ password_encryption: 'md5' }, ['warning: password_encryption']],
    [{ log_timezone: 'Asia/Tokyo' }, ['notice: log_timezone']],
    [{ idle_in_transaction_session_timeout: '0' }, ['notice: idle_in_transaction']],
    [{ shared_buffers: 128 * MIB }, ['notice: shared_buffers is 128 MiB']],
    [{ work_mem: 64 * 1024 }, ['notice: work_mem is 64 KiB']],
    [{ work_mem: GIB }, ['notice: work_mem is 1 GiB']],
    [{ effective_cache_size: GIB }, ['notice: effective_cache_size is 1 GiB']],
    [{ shared_buffers: MIB, local: true }, ['ok: durable']],
    [{ connections: 100 }, ['ok: durable, maintained, room for 2']],
    [{ connections: 99 }, ['warning: 99 connections']],
    [{ connections: 49 }, ['problem: 49 connections']],
  ])('%o', (change, expected) => {
    expect(said(judgeSettings({ ...good, ...change }))).toEqual(matching(...expected));
  });
});

describe('tuning of PostgreSQL', () => {
  const machine = { memoryBytes: 16 * GIB, cores: 4 };
  const { database } = defaultConfig();
  const good = new Map(TUNING.map(({ name, value }) => [name, value(machine, database)]));
  it.each<[Record<string, number | string>, string[]]>([
    [{}, ['ok: set for 16 GiB of memory and 4 cores']],
    [{ shared_buffers: 128 * MIB }, ['notice: shared_buffers is 128 MiB; 4 GiB suits']],
    [{ shared_buffers: 12 * GIB }, ['notice: shared_buffers is 12 GiB; 4 GiB suits']],
    [{ shared_buffers: 3 * GIB, effective_cache_size: 9 * GIB }, ['ok: ']],
    [{ effective_cache_size: 4 * GIB }, ['notice: effective_cache_size is 4 GiB; 12 GiB suits']],
    [{ max_connections: 119 }, ['notice: max_connections is 119; 120 suits']],
    [{ max_connections: 500 }, ['ok: ']],
    [{ log_min_duration_statement: -1 }, ['notice: log_min_duration_statement is -1; 500 ms']],
    [{ log_min_duration_statement: 0 }, ['ok: ']],
    [{ log_statement: 'none' }, ['notice: log_statement is none; ddl suits']],
    [{ log_statement: 'all' }, ['ok: ']],
  ])('%o', (change, expected) => {
    const actual = new Map([...good, ...Object.entries(change)]);
    expect(said(judgeTuning({ machine, database, actual }))).toEqual(matching(...expected));
  });

  it('is of no concern to us on another machine', () => {
    expect(said(judgeTuning({ machine, database, actual: null }))).toEqual(
      matching('notice: not checked'),
    );
  });

  it.each([
    [GIB, 1, { shared_buffers: "'256MB'", work_mem: "'4MB'", maintenance_work_mem: "'64MB'" }],
    [64 * GIB, 16, { shared_buffers: "'16384MB'", work_mem: "'64MB'", max_parallel_workers: '16' }],
  ])('is printed for %i bytes and %i cores', (memoryBytes, cores, expected) => {
    const printed = postgresTuning({ memoryBytes, cores }, defaultConfig());
    for (const [name, value] of Object.entries(expected))
      expect(printed).toContain(`\n${name} = ${value}\n`);
    // each rule once, and nothing that PostgreSQL would read twice
    expect(printed.match(/^\w+(?= = )/gm)).toEqual(TUNING.map(({ name }) => name));
  });
});

describe('activity', () => {
  const quiet: ActivityFacts = {
    connections: 12,
    max: 100,
    applications: [{ application: 'qx-controlplane', count: 12 }],
    states: [{ state: 'idle', count: 12 }],
    seesAll: true,
    transactions: [],
    waits: [],
    prepared: { count: 0, oldestSeconds: 0 },
  };
  const open = (seconds: number) => [
    { pid: 7, application: 'psql', state: 'idle in transaction', seconds },
  ];
  it.each<[Partial<ActivityFacts>, string[]]>([
    [{}, ['ok: 12 of 100 connections (12 idle)']],
    [{ connections: 75 }, ['warning: 75 of 100 connections are taken (75 %): qx-controlplane 12']],
    [{ connections: 90 }, ['problem: 90 of 100']],
    [{ transactions: open(299) }, ['ok: ']],
    [
      { transactions: open(300) },
      ['warning: a transaction of psql (process 7, idle in transaction) has been open for 5 min'],
    ],
    [
      { transactions: [...open(7_200), ...open(400)] },
      [
        'problem: a transaction of psql (process 7, idle in transaction) has been open for 2 h, and 1 more',
      ],
    ],
    [{ waits: [{ pid: 8, seconds: 4, blockers: [7] }] }, ['ok: ']],
    [
      { waits: [{ pid: 8, seconds: 6, blockers: [7, 9] }] },
      ['warning: 1 sessions wait for locks, process 8 for 6 s, behind process 7, 9'],
    ],
    [{ prepared: { count: 1, oldestSeconds: 1 } }, ['notice: 1 prepared']],
    [{ prepared: { count: 2, oldestSeconds: 300 } }, ['problem: 2 prepared']],
    [{ seesAll: false }, ['ok: ', 'notice: transactions and waits of other roles']],
  ])('%o', (change, expected) => {
    expect(said(judgeActivity({ ...quiet, ...change }))).toEqual(matching(...expected));
  });
});

describe('storage', () => {
  const small: StorageFacts = {
    bytes: 40 * MIB,
    largest: [{ name: 'audit_log', bytes: 30 * MIB }],
    oldest: { name: 'v', age: 1_000 },
    freezeMaxAge: 200_000_000,
    bloated: [{ name: 'tasks', dead: 100, live: 0 }],
  };
  it.each<[Partial<StorageFacts>, string[]]>([
    [{}, ['ok: the database takes 40 MiB, most of it audit_log with 30 MiB']],
    [{ oldest: { name: 'v', age: 400_000_001 } }, ['warning: the database v has used 19 %']],
    [{ oldest: { name: 'v', age: 1_200_000_000 } }, ['problem: the database v has used 56 %']],
    [
      { bloated: [{ name: 'tasks', dead: 60_000, live: 100_000 }] },
      ['warning: tasks has 60000 dead'],
    ],
    [{ bloated: [{ name: 'tasks', dead: 60_000, live: 900_000 }] }, ['ok']],
    [{ bytes: 200 * GIB }, ['notice: the database takes 200 GiB']],
  ])('%o', (change, expected) => {
    const judged = judgeStorage({ ...small, ...change });
    expect(said(judged)).toEqual(
      matching(...expected, 'notice: the free space on the disk of PostgreSQL'),
    );
  });
});

describe('replication', () => {
  const standby = { name: 's1', state: 'streaming', lagSeconds: 0.2, lagBytes: 100 };
  const slot = { name: 'slot', active: true, walStatus: 'reserved', keptBytes: 100 };
  it.each<[object, string[]]>([
    [{ standbys: [standby], slots: [slot] }, ['ok: 1 standbys, the last of them 200 ms behind']],
    [{ standbys: [{ ...standby, lagSeconds: null, lagBytes: null }] }, ['ok: ']],
    [
      { standbys: [{ ...standby, lagSeconds: 31 }] },
      ['warning: the standby s1 is 100 B and 31 s behind'],
    ],
    [{ standbys: [{ ...standby, lagBytes: 2 * GIB }] }, ['warning: the standby s1 is 2 GiB']],
    [
      { standbys: [{ ...standby, state: 'catchup' }] },
      ['notice: the standby s1 is in the state catchup'],
    ],
    [{ standbys: [] }, ['notice: there is no standby']],
    [
      { standbys: [standby], slots: [{ ...slot, active: false }] },
      ['warning: the replication slot slot is used by nobody (keeps 100 B)'],
    ],
    [
      { standbys: [standby], slots: [{ ...slot, active: false, keptBytes: 2 * GIB }] },
      ['problem: the replication slot slot is used by nobody and keeps 2 GiB'],
    ],
    [
      { standbys: [standby], slots: [{ ...slot, walStatus: 'lost' }] },
      ['problem: the replication slot slot has lost'],
    ],
  ])('%o', (facts, expected) => {
    expect(said(judgeReplication({ standbys: [], slots: [], ...facts }))).toEqual(
      matching(...expected),
    );
  });
});

describe('etcd', () => {
  const member = (n: number, change: object = {}) => ({
    endpoint: `http://e${n}`,
    refusal: null,
    version: '3.5.9',
    databaseBytes: MIB,
    id: String(n),
    leader: '1',
    ...change,
  });
  const three: EtcdFacts = {
    members: [member(1), member(2), member(3)],
    size: 3,
    alarms: [],
    instances: 2,
    leader: 'a',
    withoutRedis: [],
  };
  const away = { endpoint: 'http://e3', refusal: 'refused' };
  it.each<[string, Partial<EtcdFacts>, string[]]>([
    [
      'well',
      {},
      ['ok: 3 of 3 endpoints answer, version 3.5.9, 1 MiB; 2 instances registered, leader a'],
    ],
    ['away', { members: [away] }, ['warning: no member can be reached: http://e3 (refused)']],
    [
      'partly away',
      { members: [member(1), member(2), away] },
      ['warning: http://e3 cannot be reached'],
    ],
    [
      'without a leader',
      { members: [member(1, { leader: '0' })] },
      ['problem: http://e1 knows no leader'],
    ],
    [
      'split',
      { members: [member(1), member(2, { leader: '2' })] },
      ['problem: the endpoints name different'],
    ],
    ['full', { alarms: ['NOSPACE'] }, ['problem: the alarm NOSPACE is on']],
    [
      'nearly full',
      { members: [member(1, { databaseBytes: 1.6 * GIB })] },
      ['warning: http://e1 holds 1.6 GiB, 80 %'],
    ],
    [
      'old',
      { members: [member(1, { version: '3.3.25' })] },
      ['warning: http://e1 is version 3.3.25'],
    ],
    [
      'registering instances without Redis',
      { withoutRedis: ['a:8080', 'b:8080'] },
      ['warning: without Redis: a:8080, b:8080; as long as one of them is'],
    ],
    ['alone', { members: [member(1)], size: 1 }, ['ok: ', 'notice: one member only']],
  ])('that is %s', (_what, change, expected) => {
    expect(said(judgeEtcd({ ...three, ...change }))).toEqual(matching(...expected));
  });
});

describe('Redis', () => {
  const good = {
    version: '7.2.4',
    role: 'master',
    usedBytes: 10 * MIB,
    maxBytes: 512 * MIB,
    policy: 'allkeys-lru',
  };
  it.each<[string, object | null, string | null, string[]]>([
    ['well', {}, null, ['ok: r:1 is version 7.2.4, uses 10 MiB of 512 MiB, allkeys-lru']],
    ['away', null, 'ECONNREFUSED', ['warning: r:1 cannot be used: ECONNREFUSED']],
    ['locked', null, 'WRONGPASS invalid', ['problem: r:1 cannot be used: WRONGPASS']],
    ['a replica', { role: 'slave' }, null, ['problem: r:1 is a replica']],
    ['old', { version: '5.0.14' }, null, ['warning: r:1 is version 5.0.14']],
    ['one that refuses writes when full', { policy: 'noeviction' }, null, ['ok: r:1 is version']],
    [
      'one that will soon refuse writes',
      { policy: 'noeviction', usedBytes: 400 * MIB },
      null,
      ['warning: memory is 78 % full'],
    ],
    [
      'full',
      { policy: 'noeviction', usedBytes: 500 * MIB },
      null,
      ['problem: memory is 98 % full'],
    ],
    [
      'without a limit',
      { maxBytes: 0, policy: 'noeviction' },
      null,
      ['ok: ', 'notice: Redis may take all memory'],
    ],
  ])('that is %s', (_what, change, refusal, expected) => {
    const server = change === null ? null : { ...good, ...change };
    expect(said(judgeRedis({ address: 'r:1', refusal, server }))).toEqual(matching(...expected));
  });
});

describe('this machine', () => {
  it.each([
    [0, 1, 'ok: within 1 ms'],
    [-1_500, 10, "warning: this machine's clock is 1.5 s behind"],
    [1_500, 4_000, 'ok'], // the answer took so long that nobody can say
    [60_000, 1, "problem: this machine's clock is 60 s ahead"],
  ])('with a clock %d ms ahead, asked in %d ms: %s', (aheadMs, roundTripMs, expected) => {
    expect(said(judgeClock({ aheadMs, roundTripMs }))).toEqual(matching(expected));
  });

  it.each([
    [100 * GIB, 50 * GIB, 'ok: /d has 50 GiB left (50 %)'],
    [100 * GIB, 7 * GIB, 'warning: /d has 7 GiB left (7 %)'],
    [4 * GIB, 0.9 * GIB, 'warning: /d has 921.6 MiB left'],
    [100 * GIB, GIB, 'problem: /d has 1 GiB left (1 %)'],
    [MIB, MIB / 2, 'problem: /d has 512 KiB left'],
  ])('with a disk of %d bytes and %d free: %s', (totalBytes, freeBytes, expected) => {
    expect(said(judgeDisks([{ folder: '/d', totalBytes, freeBytes }]))).toEqual(matching(expected));
  });

  const file = { setting: 's', file: '/f', holdsSecret: true, mode: 0o100600, uid: 0 };
  it.each<[object, string]>([
    [{}, 'ok: 1 files'],
    [{ mode: 0o100640 }, 'ok'],
    [{ mode: 0o100604 }, 'problem: /f (s) has mode 604'],
    [{ mode: 0o100644, holdsSecret: false }, 'ok'],
    [{ mode: 0o100666, holdsSecret: false }, 'warning: /f (s) has mode 666: others than its owner'],
    [{ mode: 0o100660 }, 'warning: /f (s) has mode 660'],
    [{ uid: 1_000 }, 'ok'],
    [{ uid: 1_001 }, 'warning: /f (s) belongs to the user 1001'],
    [{ mode: 'gone' }, 'notice: /f (s) could not be looked at: gone'],
  ])('with a file %o: %s', (change, expected) => {
    const files = [{ ...file, ...change }];
    const facts = { files, uid: 1_000, jwtSecret: true, encryptionKey: true };
    expect(said(judgeConfiguration(facts))).toEqual(matching(expected));
  });
});

describe('a check', () => {
  const site = {} as Site;
  const check = (collect: () => Promise<Judgement[]>) =>
    defineCheck({ name: 'x', about: 'y', collect, judge: (facts) => facts });

  it('that does not answer is given up in its time, and one that fails says why', async () => {
    const hangs = check(() => new Promise<never>(() => {}));
    expect(await runCheck(hangs, site, 10)).toMatchObject([{ check: 'x', level: 'warning' }]);
    const fails = check(() => Promise.reject(new Error('no\nsuch  thing')));
    expect(await runCheck(fails, site)).toMatchObject([
      { level: 'notice', seen: 'not checked: no such thing' },
    ]);
    const unreached = check(() => Promise.reject(new NotReached()));
    expect(await runCheck(unreached, site)).toMatchObject([
      { level: 'notice', seen: 'not checked: PostgreSQL cannot be used' },
    ]);
  });

  it('has a name of its own, and what it looks at is said', () => {
    expect(new Set(CHECKS.map(({ name }) => name)).size).toBe(CHECKS.length);
    for (const { about } of CHECKS) expect(about).toMatch(/^[A-Z].*\.$|^etcd.*\.$/);
  });
});

describe('the report', () => {
  it('is as bad as its worst finding', () => {
    expect(worst([])).toBe('ok');
    expect(worst([ok('a'), notice('b')])).toBe('notice');
    expect(worst([warning('a', 'x'), notice('b'), ok('c')])).toBe('warning');
    expect(worst([problem('a', 'x'), warning('b', 'y')])).toBe('problem');
  });

  it('is aligned, with the advice below', () => {
    const findings = [
      { check: 'disk', ...ok('enough') },
      { check: 'postgres', ...problem('gone', 'Start it.') },
    ];
    expect(printFindings(findings)).toBe(
      [
        'ok       disk      enough',
        'problem  postgres  gone',
        '                   -> Start it.',
        '',
        '1 problem, 0 warning, 0 notice, 1 ok',
        '',
      ].join('\n'),
    );
  });

  it.each([
    [0.0004, '0 ms'],
    [0.25, '250 ms'],
    [90, '90 s'],
    [300, '5 min'],
    [9_000, '2.5 h'],
    [864_000, '10 days'],
  ])('writes %d s as %s', (seconds, text) => expect(time(seconds)).toBe(text));

  it.each([
    [0, '0 B'],
    [1_536, '1.5 KiB'],
    [5 * 1024 ** 4, '5 TiB'],
  ])('writes %d bytes as %s', (bytes, text) => expect(size(bytes)).toBe(text));
});
