/** Which tables a statement writes: what was made from their rows is out of date after its commit. */
import { LRUCache } from 'lru-cache';

/** As a comment in a statement: it writes only columns of which nobody keeps what they were. */
export const UNSEEN = '/* unseen */';

/**
 * Tables whose rows go (ON DELETE CASCADE) or lose their reference (SET NULL) with the rows that they refer to: the statement
 * does not name them. A test holds this against the database.
 */
export const FOLLOW_DELETION: Readonly<Record<string, readonly string[]>> = {
  clusters: ['drs_recommendations', 'enrolment_tokens'],
  enrolment_tokens: ['enrolments'],
  images: ['image_shares', 'tasks'],
  network_interfaces: ['interface_security_groups', 'ip_addresses'],
  nodes: ['api_tokens', 'drs_recommendations', 'enrolments', 'tasks'],
  projects: ['alerts', 'image_shares', 'project_members', 'tasks'],
  security_groups: ['security_rules'],
  storage_pools: ['tasks'],
  users: [
    'alerts',
    'api_tokens',
    'audit_log',
    'drs_recommendations',
    'enrolment_tokens',
    'project_members',
    'sessions',
    'tasks',
    'virtual_machines',
    'vm_snapshots',
  ],
  virtual_machines: [
    'drs_recommendations',
    'network_interfaces',
    'tasks',
    'vm_security_groups',
    'vm_snapshots',
  ],
  vm_snapshots: ['virtual_machines'],
  volumes: ['tasks'],
};

const WRITE =
  /\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(?:"?public"?\s*\.\s*)?"?(\w+)"?/gi;
const NONE: ReadonlySet<string> = new Set();
/** Texts of statements are few: values are parameters. Longer ones are of many rows, and seldom the same. */
const known = new LRUCache<string, ReadonlySet<string>>({ max: 1000 });
const MAX_KNOWN_LENGTH = 5_000;

/** May name words that are no tables (`FOR UPDATE SKIP LOCKED`); never fewer than were written. */
export function tablesWritten(sql: string): ReadonlySet<string> {
  if (/^\s*SELECT\b/i.test(sql) || sql.includes(UNSEEN)) return NONE;
  const before = known.get(sql);
  if (before) return before;
  const tables = new Set<string>();
  for (const [, verb = '', table = ''] of sql.matchAll(WRITE)) {
    tables.add(table);
    if (/^(DELETE|TRUNCATE|MERGE)/i.test(verb)) addFollowers(table, tables);
  }
  if (sql.length <= MAX_KNOWN_LENGTH) known.set(sql, tables);
  return tables;
}

function addFollowers(table: string, tables: Set<string>): void {
  for (const follower of FOLLOW_DELETION[table] ?? []) {
    if (tables.has(follower)) continue;
    tables.add(follower);
    addFollowers(follower, tables);
  }
}
