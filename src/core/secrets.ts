/**
 * Secrets at rest: compact JWE (AES-256-GCM), so that the database, its backups and the audit never hold one in the clear.
 * The key's id stands in the header, which makes rotation possible: of the keys in `auth.encryption_key_file`, one a line,
 * the first encrypts and all decrypt. The header also says what the secret belongs to: a ciphertext that is moved to another
 * row is refused like one that was changed.
 */
import { createHash, hkdfSync } from 'node:crypto';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { NotConfiguredError } from '../errors.js';

const MIN_BYTES = 32;
const SETTING = 'auth.encryption_key_file';

export interface SecretBox {
  /**
   * Encrypts a secret of `owner` (a stable word of the caller, e.g. the row's id and the field).
   * @throws NotConfiguredError when there is no key
   */
  seal(secret: string, owner: string): Promise<string>;
  /** Whether the newest key sealed it; false without any key. */
  isNewest(sealed: string): boolean;
  /** @throws UnreadableSecretError when no key fits, or when it was changed or belongs to another owner */
  open(sealed: string, owner: string): Promise<string>;
}

/** A stored secret that cannot be used; the message says what would help, and never holds any part of it. */
export class UnreadableSecretError extends Error {}

interface Key {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/**
 * @param keys what the key file holds; null: there is none, and nothing can be sealed or opened
 * @throws Error when one of the keys is too short
 */
export function createSecretBox(keys: string | null): SecretBox {
  const all = keys === null ? [] : readKeys(keys);
  const [newest] = all;
  return {
    async seal(secret, owner) {
      if (!newest) throw new NotConfiguredError(SETTING, 'Without it no secret can be kept.');
      return new CompactEncrypt(new TextEncoder().encode(secret))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: newest.id, sub: owner })
        .encrypt(newest.bytes);
    },
    isNewest: (sealed) => newest !== undefined && keyIdOf(sealed) === newest.id,
    async open(sealed, owner) {
      const kid = keyIdOf(sealed);
      const key = all.find(({ id }) => id === kid);
      if (!key) {
        const message = `It was encrypted with the key ${kid}, which ${SETTING} does not hold. Add that key as a further line.`;
        throw new UnreadableSecretError(message);
      }
      const opened = await compactDecrypt(sealed, key.bytes).catch(() => null);
      if (opened?.protectedHeader.sub !== owner)
        throw new UnreadableSecretError(
          'It was changed, or moved here from elsewhere. Set it again.',
        );
      return new TextDecoder().decode(opened.plaintext);
    },
  };
}

function readKeys(text: string): Key[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines
    .filter((line) => line !== '')
    .map((line, i) => {
      if (Buffer.byteLength(line) < MIN_BYTES)
        throw new Error(`${SETTING}: the key ${i + 1} is shorter than ${MIN_BYTES} bytes`);
      const bytes = new Uint8Array(hkdfSync('sha256', line, '', 'quantix secrets at rest', 32));
      return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes };
    });
}

/** The key id that the header names; a word of our own when it has none. */
function keyIdOf(sealed: string): string {
  try {
    const header = Buffer.from(sealed.split('.')[0] ?? '', 'base64url').toString();
    const { kid } = JSON.parse(header) as { kid?: unknown };
    return typeof kid === 'string' && /^[0-9a-f]{16}$/.test(kid) ? kid : '(unknown)';
  } catch {
    return '(unknown)';
  }
}
