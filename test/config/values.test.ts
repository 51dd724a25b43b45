import { describe, expect, test } from 'vitest';
import { entries } from '../../src/config/entries.js';
import { faults, load } from './support.js';

/** The value that a setting gets when its variable holds `text`. */
function valueGiven(path: string, text: string): unknown {
  const entry = entries.find((candidate) => candidate.path === path);
  if (!entry) throw new Error(`no setting ${path}`);
  const config = load({ env: { [entry.variable]: text } });
  return (config[entry.section] as Record<string, unknown>)[entry.field];
}

describe('a setting takes', () => {
  test.each([
    ['server.host', '0.0.0.0', '0.0.0.0'],
    ['server.host', '::', '::'],
    ['server.host', 'api_1.dc-2.example', 'api_1.dc-2.example'],
    ['server.port', '0', 0],
    ['server.port', '65535', 65535],
    ['server.graphiql', 'off', 'off'],
    ['server.shutdown_timeout', '1ms', 1],
    ['server.shutdown_timeout', '596h', 2_145_600_000],
    [
      'server.cors_origins',
      'http://localhost:5173,https://a.example',
      ['http://localhost:5173', 'https://a.example'],
    ],
    [
      'server.trusted_proxies',
      '192.0.2.1,2001:db8::/32,0.0.0.0/0',
      ['192.0.2.1', '2001:db8::/32', '0.0.0.0/0'],
    ],
    ['database.host', '/run/postgresql', '/run/postgresql'],
    ['database.user', 'Zoë van Dam', 'Zoë van Dam'],
    ['database.ssl_mode', 'require', 'require'],
    ['database.max_idle_connections', '0', 0],
    ['etcd.endpoints', 'https://[::1]:2379', ['https://[::1]:2379']],
    ['log.level', 'silent', 'silent'],
    ['placement.memory_overcommit', '1', 1],
    ['placement.policy', 'pack', 'pack'],
    ['tasks.retention', '87600h', 315_360_000_000],
    ['limits.max_request_bytes', '1024', 1024],
    ['limits.max_request_bytes', '2MiB', 2_097_152],
  ])('%s = %s', (path, text, value) => {
    expect(valueGiven(path, text)).toEqual(value);
  });
});

describe('a setting refuses', () => {
  const integer = 'expected an integer from 0 to 65535, got';
  const host = 'expected a host name or IP address without port, got';
  const time = 'expected a duration such as 10m, from 1ms to 596h, got';
  const origins = 'expected a list of origins such as https://console.example.org, got';
  const hidden = 'another text (not shown)';
  test.each([
    ['server.port', '-1', `${integer} "-1"`],
    ['server.port', '65536', `${integer} "65536"`],
    ['server.port', '80.5', `${integer} "80.5"`],
    ['server.port', '0x50', `${integer} "0x50"`],
    ['server.port', '8e3', `${integer} "8e3"`],
    ['server.port', '8080 ', `${integer} "8080 "`],
    ['server.port', '9'.repeat(400), `${integer} ${hidden}`],
    ['server.host', 'localhost:8080', `${host} "localhost:8080"`],
    ['server.host', 'http://localhost', `${host} "http://localhost"`],
    ['server.host', '300.1.1.1', `${host} "300.1.1.1"`],
    ['server.host', '-a', `${host} "-a"`],
    ['server.host', 'a..b', `${host} "a..b"`],
    ['server.host', '/run', `${host} "/run"`],
    ['server.host', '', `${host} nothing`],
    ['server.host', 'host=db password=p', `${host} ${hidden}`],
    ['server.graphiql', 'true', 'expected one of auto, on, off, got "true"'],
    ['server.request_timeout', '30', `${time} "30"`],
    ['server.request_timeout', '0s', `${time} "0s"`],
    ['server.request_timeout', '597h', `${time} "597h"`],
    ['server.request_timeout', '1.5s', `${time} "1.5s"`],
    ['server.cors_origins', '*', `${origins} "*"`],
    ['server.cors_origins', 'https://a.example/', `${origins} "https://a.example/"`],
    ['server.cors_origins', 'https://A.example', `${origins} "https://A.example"`],
    ['server.cors_origins', 'https://a.example:443', `${origins} "https://a.example:443"`],
    ['server.cors_origins', 'https://a.example,null', `${origins} "null"`],
    ['server.cors_origins', 'https://a.example,', `${origins} nothing`],
    [
      'server.trusted_proxies',
      '10.0.0.0/33',
      'expected a list of IP addresses or CIDR ranges, got "10.0.0.0/33"',
    ],
    [
      'server.trusted_proxies',
      '10.0.0.0/8/8',
      'expected a list of IP addresses or CIDR ranges, got "10.0.0.0/8/8"',
    ],
    [
      'server.trusted_proxies',
      'proxy',
      'expected a list of IP addresses or CIDR ranges, got "proxy"',
    ],
    [
      'database.ssl_mode',
      'prefer',
      'expected one of disable, require, verify-ca, verify-full, got "prefer"',
    ],
    ['database.port', '0', 'expected an integer from 1 to 65535, got "0"'],
    ['database.user', 'ö'.repeat(32), `expected a name of 1 to 63 bytes, got ${hidden}`],
    ['database.user', 'a\tb', `expected a name of 1 to 63 bytes, got ${hidden}`],
    ['placement.cpu_overcommit', '0', 'expected a number from 0.1 to 100, got "0"'],
    ['placement.cpu_overcommit', 'NaN', 'expected a number from 0.1 to 100, got "NaN"'],
    ['placement.cpu_overcommit', '1,5', `expected a number from 0.1 to 100, got ${hidden}`],
    [
      'limits.max_request_bytes',
      '256KB',
      'expected a size such as 256KiB, from 1KiB to 64MiB, got "256KB"',
    ],
    [
      'limits.max_request_bytes',
      '1GiB',
      'expected a size such as 256KiB, from 1KiB to 64MiB, got "1GiB"',
    ],
    [
      'log.level',
      'INFO',
      'expected one of trace, debug, info, warn, error, fatal, silent, got "INFO"',
    ],
  ])('%s = %s', (path, text, message) => {
    const variable = `QUANTIX_${path.replace('.', '_').toUpperCase()}`;
    expect(faults({ env: { [variable]: text } })).toEqual([{ path, source: variable, message }]);
  });

  test('what a timer cannot hold: every wait stays below 2^31 ms', () => {
    const waits = entries.filter(
      // How long something is kept is compared with the clock, not waited for.
      ({ key, path }) => key.kind === 'duration' && !/\.(retention|max_\w+_ttl)$/.test(path),
    );
    expect(waits.length).toBeGreaterThan(15);
    for (const { key } of waits) {
      expect(key.schema.parse('596h')).toBeLessThan(2 ** 31);
      expect(key.schema.safeParse('597h').success).toBe(false);
    }
  });
});

describe('settings together', () => {
  const pairs = [
    ['agent.report_interval', '30s', 'ha.not_ready_after', '30s'],
    ['ha.not_ready_after', '2m', 'ha.disconnected_after', '90s'],
    ['tasks.graceful_stop_timeout', '10m', 'tasks.timeout', '10m'],
  ] as const;
  test.each(pairs)('%s of %s is refused: %s is %s', (shorter, a, longer, b) => {
    const variable = `QUANTIX_${shorter.replace('.', '_').toUpperCase()}`;
    expect(faults({ env: { [variable]: a } })).toEqual([
      {
        path: shorter,
        source: variable,
        message: `${a} must be shorter than ${longer}, which is ${b} (default)`,
      },
    ]);
  });

  test('one that is too short for a default is refused, with the line it stands on', () => {
    const yaml = 'ha:\n  disconnected_after: 20s\n';
    const [fault] = faults({ yaml });
    expect(fault?.path).toBe('ha.not_ready_after');
    expect(fault?.source).toBe('default');
    expect(fault?.message).toMatch(
      /^30s must be shorter than ha.disconnected_after, which is 20s \(.*config.yaml:2\)$/,
    );
  });

  test('the rules hold for what was chosen, not for what was overridden', () => {
    const env = { QUANTIX_HA_NOT_READY_AFTER: '10s' };
    expect(load({ yaml: 'ha: {not_ready_after: 500s}', env }).ha.notReadyAfterMs).toBe(10_000);
  });

  test('a rule is silent about a value that is already at fault', () => {
    const env = { QUANTIX_HA_NOT_READY_AFTER: 'soon', QUANTIX_HA_DISCONNECTED_AFTER: '1s' };
    expect(faults({ env }).map(({ path }) => path)).toEqual(['ha.not_ready_after']);
  });

  test.each([
    ['database', 'maxConnections', 'maxIdleConnections', 'max_connections', 'max_idle_connections'],
    ['limits', 'maxPageSize', 'defaultPageSize', 'max_page_size', 'default_page_size'],
  ] as const)(
    '%s: lowering %s lowers the default of %s',
    (section, most, some, mostKey, someKey) => {
      const [mostVariable, someVariable] = [mostKey, someKey].map((key) =>
        `QUANTIX_${section}_${key}`.toUpperCase(),
      ) as [string, string];
      expect(load({ env: { [mostVariable]: '5' } })[section]).toMatchObject({
        [most]: 5,
        [some]: 5,
      });
      expect(faults({ env: { [mostVariable]: '5', [someVariable]: '6' } })).toEqual([
        {
          path: `${section}.${someKey}`,
          source: someVariable,
          message: `6 must be at most ${section}.${mostKey}, which is 5 (${mostVariable})`,
        },
      ]);
    },
  );

  test('authorities that no TLS mode would look at are refused', () => {
    const env = { QUANTIX_DATABASE_SSL_CA_FILE: import.meta.filename };
    expect(faults({ env })).toEqual([
      {
        path: 'database.ssl_ca_file',
        source: 'QUANTIX_DATABASE_SSL_CA_FILE',
        message:
          'is never looked at while database.ssl_mode is disable (default): use verify-full or verify-ca, or remove it',
      },
    ]);
    for (const mode of ['verify-ca', 'verify-full']) {
      const config = load({ env: { ...env, QUANTIX_DATABASE_SSL_MODE: mode } });
      expect(config.database.sslCaFile).toBe(import.meta.filename);
    }
  });

  test.each([
    ['half a pair', { CERT_FILE: import.meta.filename }, ['cert_file needs etcd.key_file, too']],
    ['the other half', { KEY_FILE: import.meta.filename }, ['key_file needs etcd.cert_file, too']],
    [
      'two ways to speak',
      { ENDPOINTS: 'https://a:1,http://b:1' },
      ['endpoints mixes http and https: all of them have to be the same'],
    ],
    [
      'authorities for nothing',
      { ENDPOINTS: 'http://a:1', CA_FILE: import.meta.filename },
      ['ca_file is never looked at while etcd.endpoints are http: use https, or remove it'],
    ],
    ['a user without a password', { USER: 'quantix' }, ['user needs a password']],
    ['nothing amiss', { USER: 'quantix', PASSWORD: 'x', CA_FILE: import.meta.filename }, []],
  ])('etcd: %s', (_what, settings, expected) => {
    const given = { ENDPOINTS: 'https://a:1', ...settings };
    const env = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [`QUANTIX_ETCD_${name}`, value]),
    );
    const said = expected.length > 0 ? faults({ env }) : [load({ env })].flatMap(() => []);
    expect(said.map(({ path, message }) => `${path} ${message}`)).toEqual(
      expected.map((fault) => `etcd.${fault}`),
    );
  });

  test('a password of nobody is refused', () => {
    for (const [variable, value] of [
      ['QUANTIX_DATABASE_MIGRATION_PASSWORD', 'sesame-42'],
      ['QUANTIX_DATABASE_MIGRATION_PASSWORD_FILE', import.meta.filename],
    ] as const) {
      expect(faults({ env: { [variable]: value } })).toMatchObject([
        {
          source: variable,
          message: expect.stringMatching(/^is nobody's while database\.migration_user/),
        },
      ]);
      const env = { [variable]: value, QUANTIX_DATABASE_MIGRATION_USER: 'quantix_owner' };
      const { migrationUser, migrationPassword } = load({ env }).database;
      expect([migrationUser, migrationPassword === null]).toEqual(['quantix_owner', false]);
    }
  });
});
