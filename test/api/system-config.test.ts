/** Shared settings through the API, in one process: what is shown, set, reset, refused and audited. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../src/config/load.js';
import { sharedEntries } from '../../src/config/shared.js';
import { openInProcessCoordination } from '../../src/coordination/in-process.js';
import { openSettings } from '../../src/core/settings.js';
import { newId } from '../../src/ids.js';
import { createLogger } from '../../src/log.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';

const ALL = `query Settings($keys: [String!]) {
  systemConfig(keys: $keys) {
    key value default source type unit min max choices description version updatedAt updatedBy
  }
  systemConfigProblems { key message }
}`;
interface Shown {
  readonly systemConfig: readonly Readonly<Record<string, unknown>>[];
  readonly systemConfigProblems: readonly { key: string; message: string }[];
}

let world: TestApp;
let admin: Client;
beforeAll(async () => {
  world = await createTestApp({
    config: { ha: { disconnectedAfterMs: 80_000 }, log: { level: 'silent' } },
  });
  await world.seed.user('ADMIN', { username: 'ada' });
  await world.seed.user('OPERATOR', { username: 'olga' });
  admin = await world.signIn('ada');
});
beforeEach(async () => {
  for (const { key } of await stored().list()) await stored().delete(key);
});
afterAll(() => world.stop());

const stored = () => world.app.services.coordination.settings;
const show = async (client = admin, keys?: readonly string[]): Promise<Shown> => {
  const { data, errors } = await client.answer<Shown, object>(ALL, keys ? { keys } : {});
  expect(errors).toEqual([]);
  return data as Shown;
};
const one = async (key: string) => (await show(admin, [key])).systemConfig[0];
const set = (key: string, value: string, more: object = {}, client = admin) =>
  mutate(client, 'setSystemConfig', { key, value, ...more });
const reset = (key: string, more: object = {}) =>
  mutate(admin, 'resetSystemConfig', { key, ...more });
const history = async (key: string) => {
  const where = { resourceType: 'SystemConfig', resourceName: key };
  const rows = await world.data.db.auditEntry.findMany({ where, orderBy: { seq: 'asc' } });
  return rows.map(({ action, status, username, details }) => ({
    action,
    status,
    username,
    details,
  }));
};

describe('systemConfig', () => {
  it('shows every shared setting with its form, and no other', async () => {
    const { systemConfig, systemConfigProblems } = await show();
    expect(systemConfig.map(({ key }) => key)).toEqual(sharedEntries.map(({ path }) => path));
    expect(systemConfigProblems).toEqual([]);
    expect(systemConfig.find(({ key }) => key === 'ha.not_ready_after')).toEqual({
      ...{ key: 'ha.not_ready_after', value: '30s', default: '30s', source: 'DEFAULT' },
      ...{ type: 'DURATION', unit: null, min: '1ms', max: '596h', choices: [] },
      ...{ version: 0, updatedAt: null, updatedBy: null },
      description: expect.stringContaining('NOT_READY'),
    });
    expect(await one('ha.disconnected_after')).toMatchObject({
      value: '80s',
      default: '90s',
      source: 'FILE',
    });
    expect(await one('placement.policy')).toMatchObject({
      type: 'CHOICE',
      choices: ['spread', 'pack'],
      min: null,
    });
    expect(await one('placement.cpu_overcommit')).toMatchObject({
      type: 'RATIO',
      value: '2',
      min: '0.1',
      unit: 'times what is there',
    });
    expect(await one('limits.max_page_size')).toMatchObject({
      type: 'INTEGER',
      value: '500',
      max: '10000',
    });
  });

  it('asks back when a key is none', async () => {
    const { errors } = await admin.answer(ALL, { keys: ['log.level', 'log.levle'] });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({
      message: '"log.levle" is no shared setting. Did you mean log.level?',
      extensions: { code: 'BAD_USER_INPUT', path: ['keys'] },
    });
  });

  it('is empty for who may not change settings', async () => {
    const nothing = { systemConfig: [], systemConfigProblems: [] };
    await stored().put('colour', 'red');
    const operator = await world.signIn('olga');
    expect(await show(operator)).toEqual(nothing);
    expect(await show(operator, ['no.such.key'])).toEqual(nothing);
  });
});

describe('setSystemConfig', () => {
  it('takes effect at once, is shown, and is audited with before and after', async () => {
    const before = await history('ha.not_ready_after');
    expect(await set('ha.not_ready_after', '45000ms')).toMatchObject({
      systemConfig: {
        key: 'ha.not_ready_after',
        value: '45s',
        source: 'SHARED',
        version: 1,
        updatedBy: 'ada',
      },
    });
    expect(world.app.services.config.ha.notReadyAfterMs).toBe(45_000);
    expect(await one('ha.not_ready_after')).toMatchObject({
      value: '45s',
      source: 'SHARED',
      version: 1,
      updatedBy: 'ada',
    });
    await set('ha.not_ready_after', '50s', { expectedVersion: 1 });
    expect((await history('ha.not_ready_after')).slice(before.length)).toEqual([
      {
        ...{ action: 'systemConfig.set', status: 'SUCCEEDED', username: 'ada' },
        details: { before: { value: null, version: 0 }, after: { value: '45s', version: 1 } },
      },
      {
        ...{ action: 'systemConfig.set', status: 'SUCCEEDED', username: 'ada' },
        details: { before: { value: '45s', version: 1 }, after: { value: '50s', version: 2 } },
      },
    ]);
  });

  it('writes nothing when the value is that already', async () => {
    await set('placement.policy', 'pack');
    expect(await set('placement.policy', 'pack')).toMatchObject({ systemConfig: { version: 1 } });
    expect((await history('placement.policy')).at(-1)?.details).toEqual({ unchanged: true });
    expect((await stored().list())[0]?.version).toBe(1);
  });

  const REFUSED = [
    ['log.levle', 'info', 'NOT_FOUND', ['key'], 'Did you mean log.level?'],
    ['auth.jwt_secret_file', '/etc/passwd', 'NOT_FOUND', ['key'], 'is read once, at the start'],
    ['database.host', 'example.org', 'NOT_FOUND', ['key'], 'is read once, at the start'],
    ['constructor', '1', 'NOT_FOUND', ['key'], 'No such SystemConfig'],
    ['k'.repeat(101), '1', 'VALIDATION', ['key'], 'at most 100 characters'],
    ['log.level', 'LOUD', 'VALIDATION', ['value'], 'expected one of trace, debug'],
    ['log.level', 'i\u0000nfo', 'VALIDATION', ['value'], 'NUL'],
    ['tasks.timeout', '-1s', 'VALIDATION', ['value'], 'from 1ms to 596h'],
    ['tasks.timeout', '９s', 'VALIDATION', ['value'], 'expected a duration'],
    ['tasks.timeout', '9'.repeat(1001), 'VALIDATION', ['value'], 'at most 1,000 characters'],
    ['limits.max_page_size', '1e3', 'VALIDATION', ['value'], 'an integer from 1 to 10000'],
    [
      'placement.cpu_overcommit',
      '',
      'VALIDATION',
      ['value'],
      'a number from 0.1 to 100, got nothing',
    ],
    [
      'ha.not_ready_after',
      '80s',
      'VALIDATION',
      ['value'],
      'must be shorter than ha.disconnected_after, which is 80s',
    ],
    [
      'tasks.graceful_stop_timeout',
      '11m',
      'VALIDATION',
      ['value'],
      'must be shorter than tasks.timeout',
    ],
  ] as const;
  it.each(REFUSED.map(([key, value, code, path, says]) => ({ key, value, code, path, says })))(
    'refuses $key: $says',
    async ({ key, value, code, path, says }) => {
      const answer = await set(key, value);
      expect(answer).toMatchObject({ code, path, message: expect.stringContaining(says) });
      expect(await stored().list()).toEqual([]);
    },
  );

  it('refuses a version that has passed, and says which one it is', async () => {
    expect(await set('log.level', 'fatal', { expectedVersion: 1 })).toMatchObject({
      code: 'CONFLICT',
      currentVersion: 0,
    });
    await set('log.level', 'fatal', { expectedVersion: 0 });
    expect(await set('log.level', 'silent', { expectedVersion: 0 })).toMatchObject({
      code: 'CONFLICT',
      currentVersion: 1,
    });
    expect(await one('log.level')).toMatchObject({ value: 'fatal', version: 1 });
  });

  it('is done once for one idempotency key, also by twins at the same moment', async () => {
    const input = { expectedVersion: 0, idempotencyKey: 'once' };
    const answers = await Promise.all([1, 2, 3].map(() => set('log.level', 'fatal', input)));
    for (const answer of answers)
      expect(answer).toMatchObject({ systemConfig: { value: 'fatal', version: 1 } });
    await reset('log.level');
    expect(await set('log.level', 'fatal', input)).toMatchObject({ systemConfig: { version: 1 } });
    expect(await one('log.level')).toMatchObject({ value: 'silent', version: 2 });
  });

  it('lets one of two changes win that do not go together', async () => {
    const answers = await Promise.all([
      set('ha.not_ready_after', '70s'),
      set('ha.disconnected_after', '60s'),
    ]);
    const codes = answers.map(({ code }) => code);
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    expect(codes).toContain('VALIDATION');
    expect((await show()).systemConfigProblems).toEqual([]);
  });

  it('takes the value back when it cannot be audited', async () => {
    await set('log.level', 'fatal');
    await world.data.db.$executeRawUnsafe(`CREATE FUNCTION no_audit() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$`);
    await world.data.db.$executeRawUnsafe(`CREATE TRIGGER no_audit BEFORE INSERT ON audit_log
      FOR EACH ROW WHEN (NEW.action = 'systemConfig.set') EXECUTE FUNCTION no_audit()`);
    const document =
      'mutation S($input: SetSystemConfigInput!) { setSystemConfig(input: $input) { __typename } }';
    const { errors } = await admin.answer(document, {
      input: { key: 'log.level', value: 'silent' },
    });
    await world.data.db.$executeRawUnsafe('DROP TRIGGER no_audit ON audit_log');
    expect(errors[0]?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    expect(await one('log.level')).toMatchObject({ value: 'fatal', source: 'SHARED', version: 3 });
  });
});

describe('resetSystemConfig', () => {
  it('gives each instance its own value back, and says who did it', async () => {
    await set('ha.disconnected_after', '100s');
    const before = await history('ha.disconnected_after');
    expect(await reset('ha.disconnected_after', { expectedVersion: 1 })).toMatchObject({
      systemConfig: { value: '80s', source: 'FILE', version: 2, updatedBy: 'ada' },
    });
    expect(world.app.services.config.ha.disconnectedAfterMs).toBe(80_000);
    expect((await history('ha.disconnected_after')).slice(before.length)).toMatchObject([
      { action: 'systemConfig.reset', details: { after: { value: null, version: 2 } } },
    ]);
  });

  it('is refused while another shared setting needs the value', async () => {
    await set('ha.disconnected_after', '200s');
    await set('ha.not_ready_after', '100s');
    expect(await reset('ha.disconnected_after')).toMatchObject({
      code: 'VALIDATION',
      path: ['key'],
    });
    await reset('ha.not_ready_after');
    expect(await reset('ha.disconnected_after')).toMatchObject({
      systemConfig: { source: 'FILE' },
    });
  });

  it('of what nobody has set changes nothing', async () => {
    expect(await reset('log.level')).toMatchObject({
      systemConfig: { version: 0, source: 'FILE' },
    });
    expect(await reset('log.levle')).toMatchObject({ code: 'NOT_FOUND', path: ['key'] });
    expect(await stored().list()).toEqual([]);
  });
});

describe('what somebody puts into etcd by hand', () => {
  it('counts as it is written, without an author', async () => {
    await stored().put('log.level', 'fatal');
    expect(await one('log.level')).toMatchObject({
      ...{ value: 'fatal', source: 'SHARED', version: 1, updatedAt: null, updatedBy: null },
    });
    expect(await set('log.level', 'silent', { expectedVersion: 1 })).toMatchObject({
      systemConfig: { version: 2 },
    });
  });

  it('never does harm: what cannot be used is a problem, and the answer says that it is degraded', async () => {
    await stored().put('limits.max_page_size', '{"value": 7');
    await stored().put('colour', '\u0000');
    await stored().put('log.level', JSON.stringify({ value: 'fatal', updatedAt: 'yesterday' }));
    const { extensions } = await admin.answer('{ __typename }');
    expect(extensions.degraded).toEqual(['settings']);
    const { systemConfig, systemConfigProblems } = await show();
    expect(systemConfigProblems.map(({ key }) => key).sort()).toEqual([
      'colour',
      'limits.max_page_size',
      'log.level',
    ]);
    expect(systemConfig.every(({ source }) => source !== 'SHARED')).toBe(true);
    expect(await set('limits.max_page_size', '100')).toMatchObject({
      systemConfig: { value: '100', version: 2 },
    });
    await set('log.level', 'fatal');
    await stored().delete('colour');
    expect((await show()).systemConfigProblems).toEqual([]);
    expect((await admin.answer('{ __typename }')).extensions.degraded).toBeUndefined();
  });
});

describe('the log', () => {
  it('says each change, each problem and each loss once', async () => {
    const lines: { level: string; msg: string; settings?: unknown; setting?: string }[] = [];
    const log = createLogger({ level: 'info' }, { write: (line) => lines.push(JSON.parse(line)) });
    const instance = {
      id: newId(),
      address: 'here:1',
      version: '1',
      startedAt: new Date(),
      redis: true,
    };
    const coordination = openInProcessCoordination({ instance });
    const { settings } = openSettings(defaultConfig(), coordination, log);
    await settings.heard(0n, 1_000);
    const said = () =>
      lines.splice(0).map(({ level, settings: which, setting }) => [level, which ?? setting]);
    expect(said()).toEqual([]);
    await coordination.settings.put('placement.policy', 'pack');
    expect(said()).toEqual([['info', { 'placement.policy': 'pack' }]]);
    await coordination.settings.put('colour', 'red');
    await coordination.settings.put('tasks.timeout', '20m');
    expect(said()).toEqual([
      ['error', 'colour'],
      ['info', { 'tasks.timeout': 1_200_000 }],
    ]);
    await coordination.settings.delete('placement.policy');
    expect(said()).toEqual([
      ['info', { 'placement.policy': 'spread' }],
      ['warn', ['placement.policy']],
    ]);
    settings.close();
    await coordination.settings.put('tasks.timeout', '30m');
    expect(said()).toEqual([]);
    await coordination.close();
  });
});
