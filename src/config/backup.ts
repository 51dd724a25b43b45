/** The settings of backups; a part of the model. */
import { integer, list, optionalIdentifier, secret, secretFile, text } from './key.js';

const isPath = (value: string): boolean => /^\/[^\0]*$/.test(value);

export const backup = {
  about: 'Backups that "qx-controlplane backup" writes. The server itself uses none of this.',
  keys: {
    directory: text({
      default: '/var/backups/quantix-vdc',
      expects: 'the absolute path of a folder',
      accepts: isPath,
      description:
        'Where archives are written and kept. Best on another disk than PostgreSQL, and copied to another machine.',
    }),
    keep_days: integer({
      default: 7,
      min: 1,
      max: 3650,
      unit: 'days',
      description:
        'Older archives are removed after the next good backup. The newest good one always stays.',
    }),
    keep_count: integer({
      default: 14,
      min: 1,
      max: 10_000,
      unit: 'archives',
      description: 'No more good archives than this are kept, the newest ones.',
    }),
    key_file: secretFile({
      example: '/etc/quantix-vdc/secrets/backup',
      minBytes: 16,
      forRoot: true,
      description:
        'File with the passphrase or key that seals archives, at least 16 bytes. It encrypts configuration and keys, and proves that nobody changed an archive. Keep a copy away from this machine. Without it neither is done, and configuration and keys are in no backup.',
    }),
    user: optionalIdentifier({
      example: 'quantix_backup',
      description:
        "Role that dumps the database and proves archives: it needs pg_read_all_data and CREATEDB, and nothing else. Without it, the owner of the tables does that. Restoring is the owner's in any case. See docs/backup.md.",
    }),
    password: secret({
      example: "'p@ss/w:rd'",
      description: 'Password of user. Any character may be used; quote it. Prefer password_file.',
    }),
    password_file: secretFile({
      example: '/etc/quantix-vdc/secrets/database-backup-password',
      forRoot: true,
      description:
        'File that holds the password of user. Line ends behind it are dropped. Not together with password. The service itself need not be able to read it.',
    }),
    include: list({
      default: ['/etc/quantix-vdc'],
      each: 'absolute paths of files or folders',
      accepts: isPath,
      description:
        'What is kept, encrypted, beside config.yaml and the files that it names. Not the key_file itself. What is missing is passed over.',
    }),
    tools: text({
      default: '',
      expects: 'the absolute path of a folder, or nothing',
      accepts: (value) => value === '' || isPath(value),
      description:
        'Folder with pg_dump and pg_restore. Empty: they are looked for where the packages of Alpine, Debian and PostgreSQL put them.',
    }),
  },
} as const;
