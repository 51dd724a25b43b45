import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { describeConfig } from '../../src/config/describe.js';
import { entries } from '../../src/config/entries.js';
import { defaultConfig, loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/model.js';
import {
  generatedFiles,
  renderConfigReference,
  renderDefaultConfig,
  writeGeneratedFiles,
} from '../../src/config/render.js';
import { faults, load, temporaryFile } from './support.js';

const root = join(import.meta.dirname, '..', '..');

describe('the generated files', () => {
  // UPDATE_GENERATED=1 refreshes them first: then the tests below judge what will be committed.
  if (process.env.UPDATE_GENERATED === '1') writeGeneratedFiles(root);

  test.each(Object.keys(generatedFiles()))('%s is what the model prints', (name) => {
    expect(readFileSync(join(root, name), 'utf8')).toBe(generatedFiles()[name]);
  });

  test('the committed config.yaml gives exactly the defaults', () => {
    const config = loadConfig({ configFile: join(root, 'openrc/config.yaml') }, {});
    expect(config).toEqual(defaultConfig({ mode: 'production' }));
  });
});

describe('the default config.yaml', () => {
  const printed = renderDefaultConfig();

  test('sets every setting that has a default, and only those', () => {
    const parsed = parse(printed) as Record<string, Record<string, unknown> | null>;
    const set = Object.entries(parsed).flatMap(([section, keys]) =>
      Object.keys(keys ?? {}).map((name) => `${section}.${name}`),
    );
    expect(set).toEqual(entries.filter(({ key }) => key.initial !== null).map(({ path }) => path));
  });

  test('can be edited: every value in it is the one that is used', () => {
    const edited = printed
      .replace('  port: 8080', '  port: 9090')
      .replace('  session_ttl: 24h', '  session_ttl: 8h');
    const config = load({ yaml: edited });
    expect(config.server.port).toBe(9090);
    expect(config.auth.sessionTtlMs).toBe(28_800_000);
  });

  test('shows what has no default as a line that only needs its # removed', () => {
    const secret = temporaryFile('a secret of at least thirty-two bytes', 'secret');
    const lines = printed.replace(/^ {2}# (\w+): (\S+)$/gm, (line, name: string) => {
      if (name.endsWith('password')) return line;
      if (name === 'migration_user') return '  migration_user: quantix_owner';
      if (name === 'user') return '  user: quantix_backup';
      return `  ${name}: ${secret}`;
    });
    const yaml = lines
      .replaceAll('ssl_mode: disable', 'ssl_mode: verify-full')
      .replace('http://localhost:2379', 'https://localhost:2379');
    const config = load({ yaml });
    expect(config.database).toMatchObject({
      password: expect.stringMatching(/^a secret/),
      sslCaFile: secret,
    });
    expect(config.redis.password).toMatch(/^a secret/);
    expect(config.etcd).toMatchObject({ caFile: secret, certFile: secret, keyFile: secret });
    expect(config.auth.jwtSecret).toMatch(/^a secret/);
    const passwords = printed.replaceAll('# password:', 'password:').replace('# user:', 'user:');
    expect(load({ yaml: passwords })).toMatchObject({
      database: { password: 'p@ss/w:rd' },
      redis: { password: 'p@ss/w:rd' },
    });
  });

  test('has lines that fit a terminal, and says of every setting what it is', () => {
    for (const line of printed.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    for (const { path, key } of entries) {
      expect(key.description, path).toMatch(/^[\w].*\.$/s);
      expect(key.initial ?? key.example, path).not.toBeNull();
    }
  });

  test('is refused when a setting in it is misspelled', () => {
    const yaml = printed.replace('  ssl_mode:', '  sslmode:');
    expect(faults({ yaml }).map(({ path }) => path)).toEqual(['database.sslmode']);
  });
});

describe('the reference', () => {
  test('has one row for every setting, with its variable, default and meaning', () => {
    const rows = renderConfigReference().split('\n');
    for (const { path, variable, key } of entries) {
      const row = rows.filter((line) => line.startsWith(`| \`${path}\` |`));
      expect(row, path).toHaveLength(1);
      expect(row[0]).toContain(`\`${variable}\``);
      expect(row[0]).toContain(key.description);
      // Seven columns: a stray bar would shift them.
      expect(row[0]?.split(/(?<!\\)\|/)).toHaveLength(9);
    }
  });

  test('marks the secrets', () => {
    const secrets = renderConfigReference()
      .split('\n')
      .filter((line) => line.includes('| yes |'))
      .map((line) => line.split('`')[1]);
    expect(secrets).toEqual([
      'database.password',
      'database.migration_password',
      'etcd.password',
      'redis.password',
      'backup.password',
    ]);
  });
});

describe('a configuration', () => {
  const time = (max: number) => fc.integer({ min: 1, max });
  const port = fc.integer({ min: 1, max: 65_535 });
  const day = 86_400_000;
  const some: fc.Arbitrary<Parameters<typeof defaultConfig>[0]> = fc.record({
    mode: fc.constant('production' as const),
    server: fc.record({
      port,
      requestTimeoutMs: time(day),
      graphiql: fc.constantFrom('auto', 'on', 'off'),
    }),
    database: fc.record({
      user: fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 15 })
        .filter((name) => /^[^\p{C}]{1,15}$/u.test(name) && Buffer.byteLength(name) < 64),
      maxConnections: fc.integer({ min: 10, max: 10_000 }),
      lockTimeoutMs: time(day),
      fallback: fc.constantFrom('memory', 'refuse'),
    }),
    etcd: fc.record({
      endpoints: fc.array(
        port.map((n) => `http://etcd-${n}.example:${n}`),
        { minLength: 1, maxLength: 5 },
      ),
    }),
    placement: fc.record({ cpuOvercommit: fc.integer({ min: 1, max: 1_000 }).map((n) => n / 10) }),
    tasks: fc.record({ retentionMs: fc.integer({ min: 60_000, max: 365 * day }) }),
    limits: fc.record({ maxRequestBytes: fc.integer({ min: 1_024, max: 2 ** 26 }) }),
  });
  const withoutSecrets = (config: Config) => {
    const { mode: _, ...sections } = describeConfig(config) as Record<
      string,
      Record<string, unknown>
    >;
    delete sections.auth?.jwt_secret;
    delete sections.auth?.encryption_key;
    delete sections.backup?.key;
    return sections;
  };

  test('that is described and written as YAML is the same when it is loaded', () => {
    fc.assert(
      fc.property(some, (overrides) => {
        const config = defaultConfig(overrides);
        expect(load({ yaml: stringify(withoutSecrets(config)) })).toEqual(config);
      }),
    );
  });

  test('that is described and put into variables is the same when it is loaded', () => {
    fc.assert(
      fc.property(some, (overrides) => {
        const config = defaultConfig(overrides);
        const env = Object.entries(withoutSecrets(config)).flatMap(([section, keys]) =>
          Object.entries(keys).map(([name, value]) => [
            `QUANTIX_${section}_${name}`.toUpperCase(),
            String(value ?? ''),
          ]),
        );
        expect(load({ env: Object.fromEntries(env) })).toEqual(config);
      }),
    );
  });
});
