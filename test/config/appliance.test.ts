/** What is printed for an appliance: its config.yaml, and the web server's limits, which are those of the program. */
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { applianceConfig } from '../../src/cli/appliance/configuration.js';
import { nginxConfig } from '../../src/cli/appliance/nginx.js';
import { config } from '../../src/cli/config.js';
import { UsageError } from '../../src/cli/usage.js';
import { defaultConfig } from '../../src/config/load.js';
import { renderDefaultConfig } from '../../src/config/render.js';

it('the config.yaml of an appliance is the default one, but for secrets, addresses and the proxy', () => {
  const settings = (yaml: string) =>
    Object.entries(parse(yaml) as Record<string, Record<string, unknown>>).flatMap(
      ([section, keys]) =>
        Object.entries(keys).map(([key, value]) => `${section}.${key}: ${JSON.stringify(value)}`),
    );
  const usual = new Set(settings(renderDefaultConfig()));
  const secret = '"/etc/quantix-vdc/secrets';
  expect(settings(applianceConfig()).filter((setting) => !usual.has(setting))).toEqual([
    'server.trusted_proxies: ["127.0.0.1","::1"]',
    'database.host: "127.0.0.1"',
    `database.password_file: ${secret}/database-password"`,
    'etcd.endpoints: ["http://127.0.0.1:2379"]',
    'redis.host: "127.0.0.1"',
    `redis.password_file: ${secret}/redis-password"`,
    `auth.jwt_secret_file: ${secret}/jwt"`,
    `auth.encryption_key_file: ${secret}/encryption"`,
    `backup.key_file: ${secret}/backup"`,
    'backup.user: "quantix_backup"',
    `backup.password_file: ${secret}/database-backup-password"`,
  ]);
});

it('the web server takes what the program takes, and waits for as long as it may answer', () => {
  const { server, limits } = defaultConfig();
  const changed = defaultConfig({
    server: { ...server, host: '::', port: 9090, requestTimeoutMs: 90_500 },
    limits: { ...limits, maxRequestBytes: 1024 * 1024 },
  });
  const printed = nginxConfig(changed, { ipv6: false });
  for (const line of [
    'server 127.0.0.1:9090;',
    'client_max_body_size 1048576;',
    'client_header_timeout 10s;',
    'client_body_timeout 91s;',
    'proxy_read_timeout 96s;',
  ])
    expect(printed).toContain(line);
  expect(printed).not.toMatch(/@[A-Z_]+@|\[::\]|IPv6/);
  expect(nginxConfig(changed, { ipv6: true })).toContain(
    'listen [::]:443 ssl http2 default_server;\n',
  );
});

it('names what can be printed to whoever asks for something else', async () => {
  await expect(config(['apache'], {})).rejects.toThrow(UsageError);
  await expect(config(['apache'], {})).rejects.toThrow(/"config check", .*"config nginx"/);
  await expect(config(['nginx', 'more'], {})).rejects.toThrow(UsageError);
});
