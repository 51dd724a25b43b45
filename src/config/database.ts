/** The settings of PostgreSQL; a part of the model. */
import {
  choice,
  duration,
  file,
  host,
  identifier,
  integer,
  optionalIdentifier,
  secret,
  secretFile,
} from './key.js';

export const database = {
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
    migration_user: optionalIdentifier({
      example: 'quantix_owner',
      description:
        'Role that owns the tables and migrates them. With it, user needs no right to change a table and cannot alter the audit log: the migrations grant it the rest. Without it, user does both. See docs/database.md.',
    }),
    migration_password: secret({
      example: "'p@ss/w:rd'",
      description:
        'Password of migration_user. Any character may be used; quote it. Prefer migration_password_file.',
    }),
    migration_password_file: secretFile({
      example: '/etc/quantix-vdc/secrets/database-owner-password',
      description:
        'File that holds the password of migration_user. Line ends behind it are dropped. Not together with migration_password.',
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
    slow_statement: duration({
      default: '500ms',
      min: '0s',
      description:
        'A statement that takes longer, the wait for a connection included, is logged without its values. 0s: none is.',
    }),
    lock_timeout: duration({
      default: '5s',
      description: 'PostgreSQL cancels a statement that waits longer for a lock.',
    }),
    idle_in_transaction_timeout: duration({
      default: '30s',
      description: 'PostgreSQL ends a session that leaves a transaction open and idle for longer.',
    }),
    fallback: choice(['memory', 'refuse'], {
      default: 'memory',
      description:
        'When PostgreSQL cannot be reached at start: memory serves from an empty in-memory database, marked as degraded, until PostgreSQL is back; refuse does not start.',
    }),
  },
} as const;
