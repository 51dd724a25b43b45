/** The settings of Redis; a part of the model. */
import { choice, duration, file, host, integer, secret, secretFile, text } from './key.js';

export const redis = {
  about:
    'Redis, which keeps what may be lost: cache, sessions, metrics, rate limits. Unused with --dev.',
  keys: {
    host: host({ default: 'localhost', description: 'Where Redis listens.' }),
    port: integer({ default: 6379, min: 1, max: 65535, description: 'Port of Redis.' }),
    username: text({
      default: 'default',
      expects: 'the name of a user of Redis',
      accepts: (value) => /^[^\s\p{C}]{1,128}$/u.test(value),
      description: 'User to sign in as, where a password is given.',
    }),
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
    ssl_mode: choice(['disable', 'require', 'verify-ca', 'verify-full'], {
      default: 'disable',
      description:
        "TLS to Redis. require encrypts without proof of who answers; verify-ca checks the certificate's authority, verify-full its host name too.",
    }),
    ssl_ca_file: file({
      example: '/etc/quantix-vdc/tls/redis-ca.pem',
      description:
        'Certificates (PEM) of the authorities to believe with verify-ca and verify-full. Without it, those that Node.js ships with.',
    }),
    connect_timeout: duration({
      default: '5s',
      min: '10ms',
      description: 'Longest wait for a connection, also at the start of this process.',
    }),
    command_timeout: duration({
      default: '500ms',
      min: '10ms',
      description:
        'Longest wait for an answer. A Redis that is slower counts as away until it answers again.',
    }),
  },
} as const;
