import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { entries } from '../../src/config/entries.js';
import { configurationFiles, defaultConfig, loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/model.js';
import { failure, faults, load, temporaryFile, temporaryFolder } from './support.js';

// Written out by hand: the type and the names at run time are derived, and must both be this.
const DEFAULTS: Config = {
  mode: 'dev',
  server: {
    host: '127.0.0.1',
    port: 8080,
    advertiseAddress: '',
    shutdownTimeoutMs: 10_000,
    requestTimeoutMs: 30_000,
    graphiql: 'auto',
    introspection: 'auto',
    persistedOperations: 'off',
    persistedOperationsFile: null,
    tlsCertFile: null,
    tlsKeyFile: null,
    corsOrigins: [],
    trustedProxies: [],
  },
  database: {
    host: 'localhost',
    port: 5432,
    user: 'quantix',
    password: null,
    migrationUser: null,
    migrationPassword: null,
    database: 'quantix_vdc',
    sslMode: 'disable',
    sslCaFile: null,
    maxConnections: 50,
    maxIdleConnections: 10,
    connectionMaxLifetimeMs: 300_000,
    connectTimeoutMs: 5_000,
    statementTimeoutMs: 15_000,
    slowStatementMs: 500,
    lockTimeoutMs: 5_000,
    idleInTransactionTimeoutMs: 30_000,
    fallback: 'memory',
  },
  etcd: {
    endpoints: ['http://localhost:2379'],
    caFile: null,
    certFile: null,
    keyFile: null,
    user: '',
    password: null,
    dialTimeoutMs: 5_000,
    requestTimeoutMs: 2_000,
    leaseTtlMs: 10_000,
  },
  redis: {
    host: 'localhost',
    port: 6379,
    username: 'default',
    password: null,
    database: 0,
    sslMode: 'disable',
    sslCaFile: null,
    connectTimeoutMs: 5_000,
    commandTimeoutMs: 500,
  },
  auth: {
    jwtSecret: null,
    encryptionKey: null,
    sessionTtlMs: 86_400_000,
    sessionIdleTimeoutMs: 14_400_000,
    maxTokenTtlMs: 31_536_000_000,
    maxEnrolmentTtlMs: 604_800_000,
  },
  log: { level: 'info' },
  cache: { enabled: 'on', ttlMs: 60_000, maxEntryBytes: 262_144 },
  agent: { reportIntervalMs: 5_000 },
  ha: { notReadyAfterMs: 30_000, disconnectedAfterMs: 90_000 },
  placement: { cpuOvercommit: 2, memoryOvercommit: 1.5, policy: 'spread' },
  maintenance: { maxMigrationsPerCluster: 5, maxMigrationsPerNode: 2, retryAfterMs: 60_000 },
  drs: { recommendationMaxAgeMs: 86_400_000 },
  storage: { thinOvercommit: 4 },
  network: { macPrefix: '52:54:00' },
  tasks: {
    timeoutMs: 600_000,
    jobTimeoutMs: 7_200_000,
    gracefulStopTimeoutMs: 60_000,
    retentionMs: 2_592_000_000,
  },
  deletion: { retentionMs: 86_400_000 },
  audit: { retentionMs: 220_752_000_000 },
  limits: {
    requestsPerMinuteAddress: 600,
    requestsPerMinutePrincipal: 6_000,
    costPerMinutePrincipal: 1_000_000,
    maxRequestBytes: 262_144,
    maxQueryTokens: 2_000,
    maxQueryDepth: 15,
    maxQueryAliases: 50,
    maxQueryDirectives: 50,
    maxQueryFields: 5_000,
    maxQueryCost: 50_000,
    maxListItems: 2_000,
    maxTextLength: 65_536,
    maxPageSize: 500,
    defaultPageSize: 50,
    subscriptionsPerSocket: 50,
    maxSubscribers: 2_000,
    subscriptionsPerPrincipal: 200,
    socketsPerPrincipal: 50,
    maxSockets: 5_000,
    lockWaitMs: 5_000,
    queueWaitMs: 10_000,
    maxQueuedCommands: 1_000,
  },
  backup: {
    directory: '/var/backups/quantix-vdc',
    keepDays: 7,
    keepCount: 14,
    key: null,
    include: ['/etc/quantix-vdc'],
    user: null,
    password: null,
    tools: '',
  },
};

describe('defaults', () => {
  test('are what they are documented to be', () => {
    expect(defaultConfig()).toEqual(DEFAULTS);
  });

  test('are what an empty set of sources gives, in either mode', () => {
    expect(load({ flags: { dev: true } })).toEqual(DEFAULTS);
    expect(load({})).toEqual({ ...DEFAULTS, mode: 'production' });
  });

  test.each([
    '',
    '\n',
    '# only a comment\n',
    '---\n',
    'null\n',
    'database:\n',
    'database: {}\n',
    '\uFEFF',
  ])('are what the file %j gives', (yaml) => {
    expect(load({ yaml })).toEqual({ ...DEFAULTS, mode: 'production' });
  });

  test('can be overridden field by field, without touching the next caller', () => {
    const config = defaultConfig({
      mode: 'production',
      server: { port: 0 },
      log: { level: 'silent' },
    });
    expect(config).toEqual({
      ...DEFAULTS,
      mode: 'production',
      server: { ...DEFAULTS.server, port: 0 },
      log: { level: 'silent' },
    });
    expect(defaultConfig()).toEqual(DEFAULTS);
  });

  test('cannot be changed by whoever holds the configuration', () => {
    for (const config of [
      defaultConfig({ server: { port: 1 } }),
      load({ yaml: 'etcd: {endpoints: [http://a:1]}' }),
    ]) {
      expect(Object.isFrozen(config)).toBe(true);
      expect(Object.isFrozen(config.server)).toBe(true);
      expect(Object.isFrozen(config.etcd.endpoints)).toBe(true);
    }
  });
});

describe('precedence', () => {
  const yaml = 'server:\n  port: 1001\n  host: file.example\nlog:\n  level: debug\n';
  const env = { QUANTIX_SERVER_PORT: '1002', QUANTIX_LOG_LEVEL: 'warn' };

  test('a file overrides defaults, the environment the file, flags the environment', () => {
    expect(load({ yaml }).server.port).toBe(1001);
    expect(load({ yaml, env }).server).toMatchObject({ port: 1002, host: 'file.example' });
    const config = load({ yaml, env, flags: { port: '1003', host: '::1', logLevel: 'trace' } });
    expect(config.server).toMatchObject({ port: 1003, host: '::1' });
    expect(config.log.level).toBe('trace');
  });

  test('a flag that is a number is read like one that is text', () => {
    expect(load({ flags: { port: 0 } }).server.port).toBe(0);
  });

  test('a malformed value is a fault even where a stronger source overrides it', () => {
    expect(faults({ yaml: 'server:\n  port: x\n', env, flags: { port: 1 } })).toEqual([
      {
        path: 'server.port',
        source: 'config.yaml:2',
        message: 'expected an integer from 0 to 65535, got "x"',
      },
    ]);
  });
});

describe('which file is read', () => {
  const port = (n: number) => temporaryFile(`server: {port: ${n}}`);

  test('the one of --config, else of QUANTIX_CONFIG, else the default one', () => {
    const env = { QUANTIX_CONFIG: port(2) };
    const fallback = port(3);
    expect(loadConfig({ configFile: port(1) }, env, fallback).server.port).toBe(1);
    expect(loadConfig({}, env, fallback).server.port).toBe(2);
    expect(loadConfig({}, { QUANTIX_CONFIG: '' }, fallback).server.port).toBe(3);
    expect(loadConfig({}, {}, fallback).server.port).toBe(3);
  });

  test('in dev mode a named one, never the default one', () => {
    expect(loadConfig({ dev: true }, {}, port(3)).server.port).toBe(8080);
    expect(loadConfig({ dev: true, configFile: port(1) }, {}, port(3)).server.port).toBe(1);
    expect(loadConfig({ dev: true }, { QUANTIX_CONFIG: port(2) }, port(3)).server.port).toBe(2);
  });

  test('a named file that does not exist is a fault that says who named it', () => {
    const missing = join(temporaryFolder(), 'none.yaml');
    const message = `the configuration file ${missing} does not exist (ENOENT)`;
    expect(faults({ flags: { configFile: missing } })).toEqual([
      { path: '', source: '--config', message },
    ]);
    expect(faults({ env: { QUANTIX_CONFIG: missing } })).toEqual([
      { path: '', source: 'QUANTIX_CONFIG', message },
    ]);
  });

  test('a default file that exists and cannot be read is a fault', () => {
    const folder = temporaryFolder();
    expect(() => loadConfig({}, {}, folder)).toThrow(/is a directory \(EISDIR\)/);
  });

  test('a file that never ends is refused at the limit', () => {
    expect(failure({ flags: { configFile: '/dev/zero' } }).message).toContain(
      'is larger than 1048576 bytes',
    );
  });

  test('a file that is not UTF-8 is refused', () => {
    const configFile = temporaryFile(Uint8Array.of(0x23, 0xff, 0xfe, 0x0a));
    expect(failure({ flags: { configFile } }).message).toContain('is not UTF-8 text');
  });

  test('the process environment is what is read when none is given', () => {
    vi.stubEnv('QUANTIX_SERVER_PORT', '4711');
    try {
      expect(loadConfig({ dev: true }).server.port).toBe(4711);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('the environment', () => {
  test('has a variable for every setting, and no two settings share one', () => {
    const variables = entries.map((entry) => entry.variable);
    expect(new Set(variables).size).toBe(entries.length);
    expect(variables).toContain('QUANTIX_DATABASE_MAX_CONNECTIONS');
    for (const variable of variables) expect(variable).toMatch(/^QUANTIX(_[A-Z]+)+$/);
  });

  test('gives numbers, durations, sizes, choices and lists', () => {
    const config = load({
      env: {
        QUANTIX_DATABASE_MAX_CONNECTIONS: '20',
        QUANTIX_DATABASE_SSL_MODE: 'verify-full',
        QUANTIX_SERVER_REQUEST_TIMEOUT: '1500ms',
        QUANTIX_LIMITS_MAX_REQUEST_BYTES: '1MiB',
        QUANTIX_PLACEMENT_CPU_OVERCOMMIT: '3.5',
        QUANTIX_ETCD_ENDPOINTS: 'https://a:2379, https://b:2379',
        QUANTIX_SERVER_TRUSTED_PROXIES: '10.0.0.0/8,::1',
      },
    });
    expect(config.database).toMatchObject({ maxConnections: 20, sslMode: 'verify-full' });
    expect(config.server).toMatchObject({
      requestTimeoutMs: 1500,
      trustedProxies: ['10.0.0.0/8', '::1'],
    });
    expect(config.limits.maxRequestBytes).toBe(1_048_576);
    expect(config.placement.cpuOvercommit).toBe(3.5);
    expect(config.etcd.endpoints).toEqual(['https://a:2379', 'https://b:2379']);
  });

  test('that is empty is an empty list, or not set, or a fault where there must be a value', () => {
    const yaml = 'server: {cors_origins: [https://a.example]}\ndatabase: {password: secret}';
    const env = { QUANTIX_SERVER_CORS_ORIGINS: '', QUANTIX_DATABASE_PASSWORD: '' };
    const config = load({ yaml, env });
    expect(config.server.corsOrigins).toEqual([]);
    expect(config.database.password).toBe('secret');
    expect(faults({ env: { QUANTIX_SERVER_PORT: '', QUANTIX_ETCD_ENDPOINTS: ' ' } })).toEqual([
      {
        path: 'server.port',
        source: 'QUANTIX_SERVER_PORT',
        message: 'expected an integer from 0 to 65535, got nothing',
      },
      {
        path: 'etcd.endpoints',
        source: 'QUANTIX_ETCD_ENDPOINTS',
        message: expect.stringMatching(/^expected a list of URLs .* got an empty list$/),
      },
    ]);
  });

  test('may hold QUANTIX_TOKEN and whatever belongs to others', () => {
    const env = { QUANTIX_TOKEN: 'x', PATH: '/bin', QUANTIXOTHER: '1', quantix_server_port: 'x' };
    expect(load({ env })).toEqual(load({}));
  });

  test.each([
    ['QUANTIX_DATABSE_HOST', 'unknown variable; did you mean QUANTIX_DATABASE_HOST?'],
    [
      'QUANTIX_DATABASE_MAXCONNECTIONS',
      'unknown variable; did you mean QUANTIX_DATABASE_MAX_CONNECTIONS?',
    ],
    ['QUANTIX_TOKN', 'unknown variable; did you mean QUANTIX_TOKEN?'],
    ['QUANTIX_CONFIG_FIL', 'unknown variable'],
    ['QUANTIX___PROTO__', 'unknown variable'],
    ['QUANTIX_', 'unknown variable'],
  ])('with %s is a fault: %s', (variable, message) => {
    const error = failure({ env: { [variable]: 'value' } });
    expect(error.faults).toEqual([{ path: variable, source: variable, message }]);
    expect(error.message).not.toContain('value');
  });
});

test('a secret file of a variable is found from the working directory, one of a file from its folder', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'pw'), 'from-file\n');
  const configFile = join(folder, 'config.yaml');
  writeFileSync(configFile, 'database:\n  password_file: pw\n');
  expect(load({ flags: { configFile } }).database.password).toBe('from-file');
  expect(faults({ env: { QUANTIX_DATABASE_PASSWORD_FILE: 'pw' } })).toHaveLength(1);
});

test('the files that a configuration comes from are known, for looking at who may read them', () => {
  const folder = temporaryFolder();
  const configFile = join(folder, 'config.yaml');
  const nowhere = '/nonexistent/config.yaml';
  writeFileSync(
    configFile,
    'database: {password: inline}\nredis: {password_file: secrets/redis}\n',
  );
  const env = { QUANTIX_AUTH_JWT_SECRET_FILE: '/run/jwt', QUANTIX_ETCD_DIAL_TIMEOUT: '1s' };
  const files = [
    { setting: 'config.yaml', file: configFile, holdsSecret: true },
    { setting: 'redis.password_file', file: join(folder, 'secrets/redis'), holdsSecret: true },
    { setting: 'auth.jwt_secret_file', file: '/run/jwt', holdsSecret: true },
  ];
  expect(configurationFiles({ configFile }, env, nowhere)).toEqual(files);
  expect(configurationFiles({}, { ...env, QUANTIX_CONFIG: configFile }, nowhere)).toEqual(files);
  expect(configurationFiles({}, env, configFile)).toEqual(files);
  expect(configurationFiles({}, {}, nowhere)).toEqual([]);
  writeFileSync(configFile, 'server: {port: 1}\n');
  expect(configurationFiles({ configFile }, {}, nowhere)).toEqual([
    { setting: 'config.yaml', file: configFile, holdsSecret: false },
  ]);
});
