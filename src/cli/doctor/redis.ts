/** Redis: reachable, its version, its role, and what happens when its memory is full. Production goes on without it, degraded. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { access } from '../../ephemeral/redis-connection.js';
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, reasonOf, warning } from './finding.js';
import { percent, size } from './units.js';

export interface RedisFacts {
  readonly address: string;
  readonly refusal: string | null;
  readonly server: {
    readonly version: string;
    /** "master" or "slave". */
    readonly role: string;
    readonly usedBytes: number;
    /** 0: no limit. */
    readonly maxBytes: number;
    /** What goes when memory is full. */
    readonly policy: string;
  } | null;
}

const NEARLY_FULL = 0.7;
const MORE =
  'Raise maxmemory in the configuration of Redis (CONFIG SET maxmemory does it at once), or have it throw away what is used least: maxmemory-policy allkeys-lru.';

export function judgeRedis({ address, refusal, server }: RedisFacts): Judgement[] {
  if (refusal !== null || !server) {
    const seen = `${address} cannot be used: ${refusal ?? 'no answer'}`;
    if (/WRONGPASS|NOAUTH|NOPERM/.test(seen)) return [problem(seen, 'Check redis.password_file.')];
    return [
      warning(
        `${seen}; the cache and what instances share are skipped, marked as degraded`,
        'Start Redis, or correct redis.host and redis.port.',
      ),
    ];
  }
  const { version, role, usedBytes, maxBytes, policy } = server;
  const findings: Judgement[] = [];
  if (role !== 'master')
    findings.push(
      problem(`${address} is a replica: it takes no writes`, 'Point redis.host at the primary.'),
    );
  if (Number(version.split('.')[0]) < 6)
    findings.push(warning(`${address} is version ${version}`, 'Upgrade Redis to 6 or newer.'));
  const used = maxBytes === 0 ? 0 : usedBytes / maxBytes;
  // Refusing writes keeps the sessions that are there: that is fine as long as it does not come to it.
  if (maxBytes > 0 && policy === 'noeviction' && used > NEARLY_FULL) {
    const seen = `memory is ${percent(used)} full, and maxmemory-policy noeviction refuses writes at 100 %`;
    findings.push(used > 0.9 ? problem(seen, MORE) : warning(seen, MORE));
  }
  if (maxBytes === 0)
    findings.push(
      notice(
        `Redis may take all memory of its machine (uses ${size(usedBytes)})`,
        'In redis.conf: maxmemory 512mb, maxmemory-policy allkeys-lru.',
      ),
    );
  if (findings.every(({ level }) => level === 'notice')) {
    const limit = maxBytes === 0 ? '' : ` of ${size(maxBytes)}, ${policy}`;
    findings.unshift(ok(`${address} is version ${version}, uses ${size(usedBytes)}${limit}`));
  }
  return findings;
}

const LONGEST_MS = 2_000;

/** `name:value` lines of INFO. */
function parseInfo(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(/\r?\n/).map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
  return new Map(pairs);
}

export const redis = defineCheck({
  name: 'redis',
  about: 'Redis: reachable, password, version, role, memory and what goes when it is full.',
  async collect({ config: { redis: settings } }): Promise<RedisFacts> {
    const { host, port } = settings;
    const address = `${host}:${port}`;
    const client = new Redis({
      ...access(settings),
      lazyConnect: true,
      enableReadyCheck: false, // its INFO has no deadline
      connectTimeout: LONGEST_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      connectionName: 'qx-controlplane-doctor',
    });
    // told of a connection that fails before, and better than, the call itself
    let first: Error | null = null;
    client.on('error', (error: Error) => {
      first ??= error;
      client.stream?.on('error', () => {}); // see redis-connection.ts
    });
    const waiting = new AbortController();
    try {
      const info = parseInfo(
        await Promise.race([
          client.connect().then(() => client.info()),
          // the greeting and the password have no deadline of the library's
          sleep(LONGEST_MS, null, { signal: waiting.signal }).then(() => {
            throw new Error(`no answer within ${LONGEST_MS / 1000} s`);
          }),
        ]),
      );
      return {
        address,
        refusal: null,
        server: {
          version: info.get('redis_version') ?? 'unknown',
          role: info.get('role') ?? 'unknown',
          usedBytes: Number(info.get('used_memory') ?? 0),
          maxBytes: Number(info.get('maxmemory') ?? 0),
          policy: info.get('maxmemory_policy') ?? 'unknown',
        },
      };
    } catch (error) {
      return { address, refusal: reasonOf(first ?? error), server: null };
    } finally {
      waiting.abort();
      client.disconnect();
    }
  },
  judge: judgeRedis,
});
