/** The web server's configuration: the text of openrc/nginx, with the limits of this configuration put in. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/model.js';
import { packageRoot } from '../../data/migrations.js';
import { HEADERS_TIMEOUT_MS } from '../../server/http.js';

const TEMPLATE = 'openrc/nginx/quantix.conf';

/** An answer that the program gives up on by itself must not be cut off a moment before. */
const GRACE_S = 5;

export function hasIpv6(): boolean {
  return existsSync('/proc/net/if_inet6');
}

const seconds = (ms: number) => Math.ceil(ms / 1000);

export function nginxConfig({ server, limits }: Config, { ipv6 }: { ipv6: boolean }): string {
  const wildcard = server.host === '0.0.0.0' || server.host === '::';
  const host = wildcard ? '127.0.0.1' : server.host;
  const values: Readonly<Record<string, string>> = {
    UPSTREAM: `${host.includes(':') ? `[${host}]` : host}:${server.port}`,
    MAX_BODY: String(limits.maxRequestBytes),
    HEADER_TIMEOUT: `${seconds(Math.min(HEADERS_TIMEOUT_MS, server.requestTimeoutMs))}s`,
    BODY_TIMEOUT: `${seconds(server.requestTimeoutMs)}s`,
    ANSWER_TIMEOUT: `${seconds(server.requestTimeoutMs) + GRACE_S}s`,
  };
  const template = readFileSync(join(packageRoot(), TEMPLATE), 'utf8');
  const lines = template.split('\n').flatMap((line) => {
    if (!line.endsWith('# IPv6')) return [line];
    return ipv6 ? [line.replace(/ *# IPv6$/, '')] : [];
  });
  return lines.join('\n').replace(/@([A-Z_]+)@/g, (mark, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${TEMPLATE} has a mark that means nothing: ${mark}`);
    return value;
  });
}
