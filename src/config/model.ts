/**
 * The configuration model: every setting there is, and the type the program sees.
 *
 * To add a setting, add it here, then refresh the generated files (see render.ts). Nothing else lists them: reading, the environment's
 * names, config.yaml, the reference and `Config` all follow. Section names hold no underscore: `QUANTIX_<SECTION>_<KEY>` has one reading.
 */
import { isAddressRange, isHostAndPort, isWebOrigin } from './address.js';
import { audit } from './audit.js';
import { backup } from './backup.js';
import { cache } from './cache.js';
import { database } from './database.js';
import { drs } from './drs.js';
import { etcd } from './etcd.js';
import {
  choice,
  duration,
  file,
  host,
  integer,
  type Key,
  type KeyKind,
  list,
  ratio,
  secretFile,
  text,
} from './key.js';
import { limits } from './limits.js';
import { maintenance } from './maintenance.js';
import { redis } from './redis.js';
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
      introspection: choice(['auto', 'on', 'off'], {
        default: 'auto',
        description:
          'Who may ask for the schema. auto: everybody with --dev, nobody else. on: also in production, whoever is signed in. off: nobody.',
      }),
      persisted_operations: choice(['off', 'allow', 'require'], {
        default: 'off',
        description:
          'Documents of persisted_operations_file by their SHA-256. allow: a hash may stand for its document. require: other documents are refused, for administrators too; agents bring their own.',
      }),
      persisted_operations_file: file({
        example: '/etc/quantix-vdc/operations.json',
        description:
          'JSON object { SHA-256: document } of the operations that clients are built with. Read again when it changes. Only with persisted_operations.',
      }),
      tls_cert_file: file({
        example: '/etc/quantix-vdc/tls/server.pem',
        description:
          'Certificate (PEM) of this server, with those that vouch for it: then it speaks HTTPS, TLS 1.2 or newer. Read again when it changes. Only with tls_key_file.',
      }),
      tls_key_file: file({
        example: '/etc/quantix-vdc/tls/server-key.pem',
        description: 'Private key (PEM) of the certificate. Only with tls_cert_file.',
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
          "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Empty: the connection's own address is the client's.",
      }),
    },
  },
  database,
  etcd,
  redis,
  auth: {
    about: 'Signing in.',
    keys: {
      jwt_secret_file: secretFile({
        example: '/etc/quantix-vdc/secrets/jwt',
        minBytes: 32,
        description:
          'File with the keys that sign session tokens, one a line, each at least 32 bytes: the first signs, all verify, so a new key goes on top and nobody is signed out. Read again on SIGHUP. All instances of a datacenter share one. With --dev, none is needed: a random one is made at each start.',
      }),
      encryption_key_file: secretFile({
        example: '/etc/quantix-vdc/secrets/encryption',
        minBytes: 32,
        description:
          'File with the keys that encrypt secrets in the database (passwords of storage backends), one a line, each at least 32 bytes: the first encrypts, all decrypt, so a new key goes on top; `secrets renew` then makes the older ones needless. All instances share one. Without it, no secret is kept; with --dev, a random key is made at each start.',
      }),
      session_ttl: duration({
        default: '24h',
        min: '1s',
        description: 'How long a session lasts after signing in.',
      }),
      session_idle_timeout: duration({
        default: '4h',
        min: '1s',
        description: 'How long a session lasts that nobody uses. An open subscription uses it.',
      }),
      max_token_ttl: duration({
        default: '8760h',
        min: '1m',
        max: '87600h',
        description: 'Longest life of a token of a script, and its life when none is asked for.',
      }),
      max_enrolment_ttl: duration({
        default: '168h',
        min: '1m',
        max: '8760h',
        description: 'Longest life of a token with which new nodes enrol.',
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
  cache,
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
  drs,
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
  audit,
  limits,
  backup,
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
