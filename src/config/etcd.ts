/** The settings of etcd; a part of the model. */
import { isServerUrl } from './address.js';
import { duration, file, list, secret, secretFile, text } from './key.js';

export const etcd = {
  about: 'etcd, which decides who may act: leader, locks, members. Unused with --dev.',
  keys: {
    endpoints: list({
      default: ['http://localhost:2379'],
      each: 'URLs such as http://etcd-1:2379, without user, password or path',
      accepts: isServerUrl,
      minItems: 1,
      description: 'Members of the etcd cluster. All of them http, or all of them https.',
    }),
    ca_file: file({
      example: '/etc/quantix-vdc/tls/etcd-ca.pem',
      description:
        'Certificates (PEM) of the authorities to believe with https. Without it, those that Node.js ships with.',
    }),
    cert_file: file({
      example: '/etc/quantix-vdc/tls/etcd-client.pem',
      description: 'Certificate (PEM) to show to etcd. Only with key_file, and with https.',
    }),
    key_file: file({
      example: '/etc/quantix-vdc/tls/etcd-client-key.pem',
      description: 'Private key (PEM) of the certificate. Only with cert_file.',
    }),
    user: text({
      default: '',
      expects: 'a name without ":", or nothing',
      accepts: (value) => /^[^\p{C}:]*$/u.test(value),
      description: 'User to sign in to etcd as. Empty: nobody; certificates are the better way.',
    }),
    password: secret({
      example: "'p@ss/w:rd'",
      description:
        'Password of the user. Any character may be used; quote it. Prefer password_file.',
    }),
    password_file: secretFile({
      example: '/etc/quantix-vdc/secrets/etcd-password',
      description:
        'File that holds the password. Line ends behind it are dropped. Not together with password.',
    }),
    dial_timeout: duration({
      default: '5s',
      description:
        'How long a start waits for etcd. Then this instance goes on as if it were the only one, marked as degraded, until etcd is there.',
    }),
    request_timeout: duration({
      default: '2s',
      min: '50ms',
      description: 'Longest wait for an answer. Changes are refused after it.',
    }),
    lease_ttl: duration({
      default: '10s',
      min: '2s',
      description:
        'How long an instance that is not heard of keeps its locks and the lead. Whole seconds count.',
    }),
  },
} as const;
