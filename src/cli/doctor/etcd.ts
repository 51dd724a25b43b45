/** etcd: each member by itself, the cluster as a whole, and who of us is there. Production goes on without it, degraded. */
import { Etcd3 } from 'etcd3';
import type { Config } from '../../config/model.js';
import { access, policy } from '../../coordination/etcd-client.js';
import { memberIn } from '../../coordination/etcd-members.js';
import { coordinationKeys } from '../../coordination/keys.js';
import { connectionOf } from '../../coordination/open.js';
import { defineCheck } from './check.js';
import { type Judgement, notice, ok, problem, reasonOf, warning } from './finding.js';
import { GIB, percent, size } from './units.js';

export type EtcdMember =
  | { readonly endpoint: string; readonly refusal: string }
  | {
      readonly endpoint: string;
      readonly refusal: null;
      readonly version: string;
      readonly databaseBytes: number;
      /** Ids; "0": it knows no leader. */
      readonly id: string;
      readonly leader: string;
    };

export interface EtcdFacts {
  readonly members: readonly EtcdMember[];
  /** Members that the cluster knows of; 0: nobody could be asked. */
  readonly size: number;
  readonly alarms: readonly string[];
  /** Instances of ours that are registered, and who leads. */
  readonly instances: number;
  readonly leader: string | null;
  /** Addresses of those that say they are without Redis. */
  readonly withoutRedis: readonly string[];
}

/** What etcd grants a database unless it is told otherwise. */
const QUOTA = 2 * GIB;

const isOlder = (version: string): boolean => /^([0-2]\.|3\.[0-3]\.)/.test(version);

export function judgeEtcd(facts: EtcdFacts): Judgement[] {
  const there = facts.members.filter((member) => member.refusal === null);
  const away = facts.members.filter((member) => member.refusal !== null);
  if (there.length === 0) {
    const why = away.map(({ endpoint, refusal }) => `${endpoint} (${refusal})`).join(', ');
    return [
      warning(
        `no member can be reached: ${why}; instances run as if each were alone, marked as degraded`,
        'Start etcd, or correct etcd.endpoints.',
      ),
    ];
  }
  const findings: Judgement[] = away.map(({ endpoint, refusal }) =>
    warning(
      `${endpoint} cannot be reached: ${refusal}`,
      'Start it; one more that fails may stop the cluster.',
    ),
  );
  for (const { endpoint, leader, version, databaseBytes } of there) {
    if (leader === '0')
      findings.push(
        problem(`${endpoint} knows no leader`, 'More than half of the members have to run.'),
      );
    if (isOlder(version))
      findings.push(warning(`${endpoint} is version ${version}`, 'Upgrade etcd to 3.4 or newer.'));
    if (databaseBytes > 0.75 * QUOTA)
      findings.push(
        warning(
          `${endpoint} holds ${size(databaseBytes)}, ${percent(databaseBytes / QUOTA)} of the usual quota`,
          'etcdctl compact, then etcdctl defrag; or raise --quota-backend-bytes.',
        ),
      );
  }
  if (new Set(there.map(({ leader }) => leader)).size > 1)
    findings.push(
      problem(
        'the endpoints name different leaders',
        'They may belong to different clusters: compare etcdctl member list.',
      ),
    );
  for (const alarm of facts.alarms)
    findings.push(
      problem(
        `the alarm ${alarm} is on: etcd takes no writes`,
        'Make room (etcdctl compact, etcdctl defrag), then etcdctl alarm disarm.',
      ),
    );
  if (facts.withoutRedis.length > 0)
    findings.push(
      warning(
        `without Redis: ${facts.withoutRedis.join(', ')}; as long as one of them is, no instance answers from the cache`,
        'See why it cannot reach Redis: its log says so, and the doctor there.',
      ),
    );
  if (facts.size === 1)
    findings.push(
      notice(
        'one member only: nothing takes over when it fails',
        'Three members survive the loss of one.',
      ),
    );
  const [first] = there;
  const bad = findings.some(({ level }) => level !== 'notice');
  if (!bad)
    findings.unshift(
      ok(
        `${there.length} of ${facts.members.length} endpoints answer, version ${first?.version}, ${size(first?.databaseBytes ?? 0)}; ${facts.instances} instances registered, leader ${facts.leader ?? 'none'}`,
      ),
    );
  return findings;
}

async function withClient<T>(
  endpoints: string[],
  settings: Config['etcd'],
  work: (client: Etcd3) => Promise<T>,
): Promise<T> {
  const client = new Etcd3({
    ...access({ ...connectionOf(settings), endpoints }),
    defaultCallOptions: ({ isStream }) =>
      isStream ? {} : { deadline: Date.now() + Math.min(settings.requestTimeoutMs, LONGEST_MS) },
    // A question is asked once: the library's own retries would multiply every deadline.
    faultHandling: { global: policy(1), host: () => policy(1) },
  });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

const LONGEST_MS = 2_000;

async function askMember(endpoint: string, settings: Config['etcd']): Promise<EtcdMember> {
  try {
    const status = await withClient([endpoint], settings, (client) => client.maintenance.status());
    return {
      endpoint,
      refusal: null,
      version: status.version,
      databaseBytes: Number(status.dbSize),
      id: status.header.member_id,
      leader: status.leader,
    };
  } catch (error) {
    return { endpoint, refusal: reasonOf(error) };
  }
}

export const etcd = defineCheck({
  name: 'etcd',
  about:
    'etcd: each endpoint, version, leader, alarms, size against its quota, registered instances and their leader.',
  async collect({ config: { etcd: settings } }): Promise<EtcdFacts> {
    const members = await Promise.all(settings.endpoints.map((one) => askMember(one, settings)));
    const alive = members
      .filter((member) => member.refusal === null)
      .map(({ endpoint }) => endpoint);
    const nobody = { size: 0, alarms: [], instances: 0, leader: null, withoutRedis: [] };
    if (alive.length === 0) return { members, ...nobody };
    return withClient(alive.slice(0, 1), settings, async (client) => {
      const [list, alarms, instances, leader] = await Promise.all([
        client.cluster.memberList({}),
        client.maintenance.alarm({ action: 'Get', memberID: 0, alarm: 'None' }),
        client.getAll().prefix(coordinationKeys.member('')).buffers(),
        client.get(coordinationKeys.leader).string(),
      ]);
      return {
        members,
        size: list.members.length,
        alarms: [...new Set(alarms.alarms.map(({ alarm }) => String(alarm).toUpperCase()))],
        instances: Object.keys(instances).length,
        leader,
        withoutRedis: Object.entries(instances)
          .map(([id, value]) => memberIn(id, value))
          .flatMap(({ redis, address }) => (redis ? [] : [address])),
      };
    });
  },
  judge: judgeEtcd,
});
