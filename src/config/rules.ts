/** Rules between settings. Each looks at values that are right on their own, and wrong together. */
import type { Report } from './setting.js';

/** A value that was chosen: as written, and where; `source` is null for a default. */
export type Chosen = { value: unknown; readonly written: string; readonly source: string | null };
/** By path of the setting. Settings at fault are missing: no rule can judge them. */
export type Choices = ReadonlyMap<string, Chosen>;

/** [shorter, longer]: with equal times the second would never be waited for. */
const shorterThan = [
  ['agent.report_interval', 'ha.not_ready_after'],
  ['ha.not_ready_after', 'ha.disconnected_after'],
  ['tasks.graceful_stop_timeout', 'tasks.timeout'],
] as const;

/** [smaller, larger]: a default gives way, so that lowering the larger one alone is enough. */
const atMost = [
  ['database.max_idle_connections', 'database.max_connections'],
  ['limits.default_page_size', 'limits.max_page_size'],
] as const;

/** [role, its password]: roles that need not be there. */
const optionalRoles = [
  ['database.migration_user', 'database.migration_password'],
  ['backup.user', 'backup.password'],
] as const;

/** What the database itself refuses to go below: see the migration 000020_audit_seals. */
const AUDIT_FLOOR_MS = 720 * 3_600_000;

/** Reports what does not go together, and lowers defaults that have to give way. */
export function applyRules(choices: Choices, report: Report): void {
  for (const [lesser, greater] of shorterThan) {
    const [a, b] = [choices.get(lesser), choices.get(greater)];
    if (!a || !b || Number(a.value) < Number(b.value)) continue;
    blame(lesser, a, greater, b, 'must be shorter than', report);
  }
  for (const [lesser, greater] of atMost) {
    const [a, b] = [choices.get(lesser), choices.get(greater)];
    if (!a || !b || Number(a.value) <= Number(b.value)) continue;
    if (a.source === null) a.value = b.value;
    else blame(lesser, a, greater, b, 'must be at most', report);
  }
  for (const [user, password] of optionalRoles) {
    const role = choices.get(user);
    for (const path of [password, `${password}_file`]) {
      const given = choices.get(path);
      if (!given?.source || !role || role.value !== null) continue;
      const message = `is nobody's while ${user} is not set: set it, or remove this`;
      report({ path, source: given.source, message });
    }
  }
  for (const section of ['database', 'redis']) {
    const mode = choices.get(`${section}.ssl_mode`);
    const authorities = choices.get(`${section}.ssl_ca_file`);
    if (!mode || !authorities?.source || String(mode.value).startsWith('verify-')) continue;
    const message = `is never looked at while ${section}.ssl_mode is ${mode.written} (${mode.source ?? 'default'}): use verify-full or verify-ca, or remove it`;
    report({ path: `${section}.ssl_ca_file`, source: authorities.source, message });
  }
  const kept = choices.get('audit.retention');
  if (kept && Number(kept.value) > 0 && Number(kept.value) < AUDIT_FLOOR_MS) {
    const message = `${kept.written} is shorter than the database allows: 720h at least, or 0s for ever`;
    report({ path: 'audit.retention', source: kept.source ?? 'default', message });
  }
  serverRules(choices, report);
  etcdRules(choices, report);
}

/** Two settings of the server that make sense only together. */
function serverRules(choices: Choices, report: Report): void {
  const given = (name: string): string | null => choices.get(`server.${name}`)?.source ?? null;
  const fault = (name: string, message: string): void =>
    report({ path: `server.${name}`, source: given(name) ?? 'default', message });
  if (given('tls_cert_file') && !given('tls_key_file'))
    fault('tls_cert_file', 'needs server.tls_key_file, too');
  if (given('tls_key_file') && !given('tls_cert_file'))
    fault('tls_key_file', 'needs server.tls_cert_file, too');
  const mode = choices.get('server.persisted_operations');
  const list = given('persisted_operations_file');
  if (mode && mode.value !== 'off' && !list)
    fault('persisted_operations', 'needs server.persisted_operations_file, too');
}

function etcdRules(choices: Choices, report: Report): void {
  const given = (name: string): string | null => choices.get(`etcd.${name}`)?.source ?? null;
  const fault = (name: string, message: string): void =>
    report({ path: `etcd.${name}`, source: given(name) ?? 'default', message });
  const { value: endpoints } = choices.get('etcd.endpoints') ?? {};
  const secure = Array.isArray(endpoints)
    ? endpoints.filter((url) => String(url).startsWith('https:')).length
    : null;
  if (Array.isArray(endpoints) && secure !== 0 && secure !== endpoints.length) {
    fault('endpoints', 'mixes http and https: all of them have to be the same');
  }
  for (const name of ['ca_file', 'cert_file', 'key_file']) {
    if (given(name) && secure === 0) {
      fault(name, 'is never looked at while etcd.endpoints are http: use https, or remove it');
    }
  }
  if (given('cert_file') && !given('key_file')) fault('cert_file', 'needs etcd.key_file, too');
  if (given('key_file') && !given('cert_file')) fault('key_file', 'needs etcd.cert_file, too');
  const user = choices.get('etcd.user');
  const password = given('password') ?? given('password_file');
  if (user?.source && user.value !== '' && !password) fault('user', 'needs a password');
}

function blame(
  lesser: string,
  a: Chosen,
  greater: string,
  b: Chosen,
  relation: string,
  report: Report,
): void {
  const message = `${a.written} ${relation} ${greater}, which is ${b.written} (${b.source ?? 'default'})`;
  report({ path: lesser, source: a.source ?? 'default', message });
}
