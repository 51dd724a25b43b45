/** The config.yaml of an appliance: every setting, with the files that its first boot makes and the proxy in front. */
import { renderConfig } from '../../config/render.js';

const SECRETS = '/etc/quantix-vdc/secrets';

/** By path, as one would write it. The owner of the tables is not among them: only migrations have its credentials. */
const SETTINGS: Readonly<Record<string, string | readonly string[]>> = {
  'server.trusted_proxies': ['127.0.0.1', '::1'],
  // Names can be resolved to an address at which nobody listens.
  'database.host': '127.0.0.1',
  'database.password_file': `${SECRETS}/database-password`,
  'etcd.endpoints': ['http://127.0.0.1:2379'],
  'redis.host': '127.0.0.1',
  'redis.password_file': `${SECRETS}/redis-password`,
  'auth.jwt_secret_file': `${SECRETS}/jwt`,
  'auth.encryption_key_file': `${SECRETS}/encryption`,
  'backup.key_file': `${SECRETS}/backup`,
  'backup.user': 'quantix_backup',
  'backup.password_file': `${SECRETS}/database-backup-password`,
};

export function applianceConfig(): string {
  return renderConfig('every setting, as on an appliance.', new Map(Object.entries(SETTINGS)));
}
