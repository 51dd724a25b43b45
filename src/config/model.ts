/**
 * The configuration model: every setting there is, and the type the program sees.
 *
 * To add a setting, add it here, then refresh the generated files (see render.ts). Nothing else lists them: reading, the environment's
 * names, config.yaml, the reference and `Config` all follow. Section names hold no underscore: `QUANTIX_<SECTION>_<KEY>` has one reading.
 */
import { isAddressRange, isHostAndPort, isWebOrigin } from './address.js';
import { etcd } from './etcd.js';
import {
  bytes,
  choice,
  duration,
  file,
  host,
  identifier,
  integer,
  type Key,
  type KeyKind,
  list,
  ratio,
  secret,
  secretFile,
  text,
} from './key.js';
import { maintenance } from './maintenance.js';
import { storage } from './storage.js';
import { deletion, tasks } from './tasks.js';

type Section = { readonly about: string; readonly keys: Readonly<Record<string, Key>> };

export const model = {
  server: {
    about: 'The HTTP server of the API.',
    keys: {
      host: host({
        default: '127.0.0.1',
        description: 'Address to listen on. 0.0.0.0 or :: listens on every interface.',
      }),
      port: integer({
        default: 8080,
        min: 0,
        max: 65535,
        description: 'Port to listen on. 0 takes any free port.',
      }),
      advertise_address: text({
        default: '',
        expects: 'host:port, or nothing',
        accepts: (value) => value === '' || isHostAndPort(value),
        description:
          'Where other instances and people can reach this one, shown among the members. Empty: host and port.',
      }),
      shutdown_timeout: duration({
        default: '10s',
        description:
          'How long running requests may take to finish when the process is asked to stop.',
      }),
      request_timeout: duration({
        default: '30s',
        description: 'Longest time one request may take. Subscriptions are not bound by it.',
      }),
      graphiql: choice(['auto', 'on', 'off'], {
        default: 'auto',
        description: 'The GraphiQL page in the browser. auto serves it with --dev only.',
      }),
      cors_origins: list({
        default: [],
        each: 'origins such as https://console.example.org',
        accepts: isWebOrigin,
        description:
          'Origins whose pages may call the API with credentials. Empty: none but our own. There is no wildcard.',
      }),
      trusted_proxies: list({
        default: [],
        each: 'IP addresses or CIDR ranges',
        accepts: isAddressRange,
        description:
          "Proxies whose X-Forwarded-For is believed. Empty: the connection's own address is the client's.",
      }),
    },
  },
  database: {
    about: 'PostgreSQL, which keeps everything that must never be lost. Unused with --dev.',
    keys: {
      host: host({ default: 'localhost', socket: true, description: 'Where PostgreSQL listens.' }),
      port: integer({ default: 5432, min: 1, max: 65535, description: 'Port of PostgreSQL.' }),
      user: identifier({ default: 'quantix', description: 'Role to connect as.' }),
      password: secret({
        example: "'p@ss/w:rd'",
        description:
          'Password of the role. Any character may be used; quote it. Prefer password_file.',
      }),
      password_file: secretFile({
        example: '/etc/quantix-vdc/secrets/database-password',
        description:
          'File that holds the password. Line ends behind it are dropped. Not together with password.',
      }),
      database: identifier({ default: 'quantix_vdc', description: 'Name of the database.' }),
      ssl_mode: choice(['disable', 'require', 'verify-ca', 'verify-full'], {
        default: 'disable',
        description:
          "TLS to PostgreSQL. require encrypts without proof of who answers; verify-ca checks the certificate's authority, verify-full its host name too.",
      }),
      ssl_ca_file: file({
        example: '/etc/quantix-vdc/tls/database-ca.pem',
        description:
          'Certificates (PEM) of the authorities to believe with verify-ca and verify-full. Without it, those that Node.js ships with.',
      }),
      max_connections: integer({
        default: 50,
        min: 1,
        max: 10_000,
        unit: 'connections',
        description: 'Most connections this process opens to PostgreSQL.',
      }),
      max_idle_connections: integer({
        default: 10,
        min: 0,
        max: 10_000,
        unit: 'connections',
        description: 'Connections kept open while idle. At most max_connections.',
      }),
      connection_max_lifetime: duration({
        default: '5m',
        min: '1s',
        description: 'Age at which a connection is replaced by a new one.',
      }),
      connect_timeout: duration({ default: '5s', description: 'Longest wait for a connection.' }),
      statement_timeout: duration({
        default: '15s',
        description: 'PostgreSQL cancels a statement that runs longer.',
      }),
      lock_timeout: duration({
        default: '5s',
        description: 'PostgreSQL cancels a statement that waits longer for a lock.',
      }),
      idle_in_transaction_timeout: duration({
        default: '30s',
        description:
          'PostgreSQL ends a session that leaves a transaction open and idle for longer.',
      }),
      fallback: choice(['memory', 'refuse'], {
        default: 'memory',
        description:
          'When PostgreSQL cannot be reached at start: memory serves from an empty in-memory database, marked as degraded, until PostgreSQL is back; refuse does not start.',
      }),
    },
  },
  etcd,
  redis: {
    about:
      'Redis, which keeps what may be lost: cache, sessions, metrics, rate limits. Unused with --dev.',
    keys: {
      host: host({ default: 'localhost', description: 'Where Redis listens.' }),
      port: integer({ default: 6379, min: 1, max: 65535, description: 'Port of Redis.' }),
      password: secret({
        example: "'p@ss/w:rd'",
        description: 'Password. Any character may be used; quote it. Prefer password_file.',
      }),
      password_file: secretFile({
        example: '/etc/quantix-vdc/secrets/redis-password',
        description:
          'File that holds the password. Line ends behind it are dropped. Not together with password.',
      }),
      database: integer({ default: 0, min: 0, max: 65535, description: 'Number of the database.' }),
    },
  },
  auth: {
    about: 'Signing in.',
    keys: {
      jwt_secret_file: secretFile({
        example: '/etc/quantix-vdc/secrets/jwt',
        minBytes: 32,
        description:
          'File that holds the secret that signs session tokens, at least 32 bytes. All instances of a datacenter share one. With --dev, none is needed: a random one is made at each start.',
      }),
      encryption_key_file: secretFile({
        example: '/etc/quantix-vdc/secrets/encryption',
        minBytes: 32,
        description:
          'File with the keys that encrypt secrets in the database (passwords of storage backends), one a line, each at least 32 bytes: the first encrypts, all decrypt, so a new key goes on top. All instances share one. Without it, no secret is kept; with --dev, a random key is made at each start.',
      }),
      session_ttl: duration({
        default: '24h',
        min: '1s',
        description: 'How long a session lasts after signing in.',
      }),
    },
  },
  log: {
    about: 'The log: one JSON object a line, on standard output.',
    keys: {
      level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
        shared: true,
        default: 'info',
        description: 'Least severe level that is written.',
      }),
    },
  },
  agent: {
    about: 'Agents on the hypervisor nodes.',
    keys: {
      report_interval: duration({
        shared: true,
        default: '5s',
        min: '100ms',
        description: 'How often an agent reports. Shorter than ha.not_ready_after.',
      }),
    },
  },
  ha: {
    about: 'Telling live nodes from dead ones.',
    keys: {
      not_ready_after: duration({
        shared: true,
        default: '30s',
        description: 'A node silent for this long is NOT_READY. Shorter than disconnected_after.',
      }),
      disconnected_after: duration({
        shared: true,
        default: '90s',
        description: 'A node silent for this long is DISCONNECTED, its virtual machines UNKNOWN.',
      }),
    },
  },
  placement: {
    about: 'Choosing a node for a virtual machine.',
    keys: {
      cpu_overcommit: ratio({
        shared: true,
        default: '2.0',
        min: 0.1,
        max: 100,
        unit: 'times what is there',
        description: 'Virtual CPUs that a node takes for each of its hardware threads.',
      }),
      memory_overcommit: ratio({
        shared: true,
        default: '1.5',
        min: 0.1,
        max: 100,
        unit: 'times what is there',
        description: 'Memory that a node promises to virtual machines, for what it has.',
      }),
      policy: choice(['spread', 'pack'], {
        shared: true,
        default: 'spread',
        description: 'spread prefers the emptiest node that fits, pack the fullest.',
      }),
    },
  },
  maintenance,
  network: {
    about: 'Network interfaces of virtual machines.',
    keys: {
      mac_prefix: text({
        default: '52:54:00',
        expects: 'three bytes of a local unicast MAC address in lower case, such as 52:54:00',
        accepts: (value) => /^[0-9a-f][26ae](:[0-9a-f]{2}){2}$/.test(value),
        description: 'What the MAC addresses begin with that are made up for network interfaces.',
      }),
    },
  },
  storage,
  tasks,
  deletion,
  limits: {
    about: 'What one caller, or all of them, may ask for.',
    keys: {
      max_request_bytes: bytes({
        default: '256KiB',
        min: '1KiB',
        max: '64MiB',
        description: 'Largest request body.',
      }),
      max_query_tokens: integer({
        default: 2000,
        min: 100,
        max: 100_000,
        unit: 'tokens',
        description: 'Longest GraphQL document.',
      }),
      max_query_depth: integer({
        default: 15,
        min: 1,
        max: 100,
        unit: 'levels',
        description: 'Deepest nesting of a GraphQL document.',
      }),
      max_page_size: integer({
        shared: true,
        default: 500,
        min: 1,
        max: 10_000,
        unit: 'items',
        description: 'Most items one page of a list can be asked for.',
      }),
      default_page_size: integer({
        shared: true,
        default: 50,
        min: 1,
        max: 10_000,
        unit: 'items',
        description: 'Items of a page when the caller names no number. At most max_page_size.',
      }),
      subscriptions_per_socket: integer({
        shared: true,
        default: 50,
        min: 1,
        max: 10_000,
        unit: 'subscriptions',
        description: 'Most subscriptions at once on one WebSocket.',
      }),
      max_subscribers: integer({
        shared: true,
        default: 2000,
        min: 1,
        max: 1_000_000,
        unit: 'subscriptions',
        description: 'Most subscriptions at once in this process.',
      }),
      lock_wait: duration({
        shared: true,
        default: '5s',
        description: 'Longest wait of a command for its locks.',
      }),
      queue_wait: duration({
        default: '10s',
        description: 'Longest time a command waits for its turn before it is refused as busy.',
      }),
      max_queued_commands: integer({
        default: 1000,
        min: 1,
        max: 100_000,
        unit: 'commands',
        description: 'Most commands waiting at once; more are refused as busy.',
      }),
    },
  },
} as const satisfies Readonly<Record<string, Section>>;

type Model = typeof model;
type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name;
type Field<Name extends string, Of> =
  Of extends Key<'duration', number>
    ? `${Camel<Name>}Ms`
    : Of extends Key<'secretFile', unknown>
      ? Name extends `${infer Secret}_file`
        ? Camel<Secret>
        : never
      : Camel<Name>;
type Value<Of> = Of extends Key<KeyKind, infer V> ? V : never;
type Fields<Keys> = {
  readonly [Name in keyof Keys & string as Field<Name, Keys[Name]>]: Value<Keys[Name]>;
};

/** How the process runs. `dev` needs no servers; it is chosen by the flag `--dev`, never by a file. */
export type Mode = 'dev' | 'production';

/**
 * The configuration as the program sees it: camelCase, durations as integer `...Ms`, sizes as bytes; secrets have been read.
 */
export type Config = { readonly mode: Mode } & {
  readonly [Name in keyof Model]: Fields<Model[Name]['keys']>;
};
export type SectionName = keyof Model;
