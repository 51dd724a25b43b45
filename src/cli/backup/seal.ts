/**
 * The seal of an archive: what is secret in it is encrypted, and the manifest, which has the checksums of all parts, is authenticated.
 * Both keys are made from the backup key by scrypt with a salt of the archive's own, so that a passphrase is as good as a key file can make it.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  scryptSync,
  timingSafeEqual,
} from 'node:crypto';
import { z } from 'zod';
import { BackupError } from './failure.js';

const COST = 2 ** 15;
const NONCE = 12;
const TAG = 16;

export const sealSchema = z.strictObject({
  kdf: z.literal('scrypt'),
  /** Bounded: an archive from elsewhere must not decide how long we compute. */
  cost: z
    .int()
    .min(2)
    .max(2 ** 18),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  /** HMAC-SHA-256 of the manifest, hex. */
  mac: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Seal = z.infer<typeof sealSchema>;

export interface SealKeys {
  readonly salt: string;
  readonly cost: number;
  encrypt(plain: Uint8Array): Buffer;
  /** @throws {BackupError} another key, or not what was encrypted */
  decrypt(sealed: Uint8Array): Buffer;
  mac(manifest: Uint8Array): string;
}

export function sealKeys(
  secret: string,
  salt = randomBytes(16).toString('hex'),
  cost = COST,
): SealKeys {
  const bytes = scryptSync(secret, Buffer.from(salt, 'hex'), 64, {
    cost,
    blockSize: 8,
    maxmem: 256 * cost * 8,
  });
  const [key, macKey] = [bytes.subarray(0, 32), bytes.subarray(32)];
  return {
    salt,
    cost,
    encrypt(plain) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    decrypt(sealed) {
      try {
        if (sealed.length < NONCE + TAG) throw new Error('too short');
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE));
        decipher.setAuthTag(sealed.subarray(NONCE, NONCE + TAG));
        return Buffer.concat([decipher.update(sealed.subarray(NONCE + TAG)), decipher.final()]);
      } catch (cause) {
        throw new BackupError('This backup key does not open the keys of the archive.', { cause });
      }
    },
    mac: (manifest) => createHmac('sha256', macKey).update(manifest).digest('hex'),
  };
}

export function makeSeal(keys: SealKeys, manifest: Uint8Array): Seal {
  return { kdf: 'scrypt', cost: keys.cost, salt: keys.salt, mac: keys.mac(manifest) };
}

/** The keys of a sealed archive. @throws {BackupError} another key, or the manifest is not the one that was sealed */
export function openSeal(secret: string, seal: Seal, manifest: Uint8Array): SealKeys {
  const keys = sealKeys(secret, seal.salt, seal.cost);
  if (!timingSafeEqual(Buffer.from(keys.mac(manifest), 'hex'), Buffer.from(seal.mac, 'hex')))
    throw new BackupError(
      'The seal of the archive does not fit: its manifest was changed, or it was sealed with another backup key.',
    );
  return keys;
}
