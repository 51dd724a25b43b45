/**
 * The keys that sign sessions. Of those in `auth.jwt_secret_file`, one a line, the first signs and all verify: a new key goes on top,
 * and the old one may go when no session is left that it signed. A token names its key in its header (`kid`).
 */
import { createHash } from 'node:crypto';

const MIN_BYTES = 32;
const SETTING = 'auth.jwt_secret_file';

export interface SessionKey {
  /** Public: it says nothing about the key. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

export class SessionKeys {
  #keys: readonly [SessionKey, ...SessionKey[]];

  /**
   * @param text what the key file holds
   * @throws Error when there is no key in it, or one is too short or stands there twice
   */
  constructor(text: string) {
    this.#keys = readKeys(text);
  }

  /** The key that signs new sessions. */
  get newest(): SessionKey {
    return this.#keys[0];
  }

  find(id: string): SessionKey | undefined {
    return this.#keys.find((key) => key.id === id);
  }

  /**
   * From now on these keys count. Sessions that none of them signed have ended.
   * @throws as the constructor; then the keys are what they were
   */
  replace(text: string): void {
    this.#keys = readKeys(text);
  }
}

function readKeys(text: string): [SessionKey, ...SessionKey[]] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const [first, ...others] = lines
    .filter((line) => line !== '')
    .map((line, i): SessionKey => {
      const bytes = new TextEncoder().encode(line);
      if (bytes.length < MIN_BYTES)
        throw new Error(
          `${SETTING}: the key ${i + 1} has ${bytes.length} bytes, and must have at least ${MIN_BYTES}. "openssl rand -base64 48" makes one.`,
        );
      const id = createHash('sha256').update('quantix session key\n').update(bytes).digest('hex');
      return { id: id.slice(0, 16), bytes };
    });
  if (!first) throw new Error(`${SETTING}: there is no key in it`);
  const keys: [SessionKey, ...SessionKey[]] = [first, ...others];
  const twice = keys.findIndex(({ id }, i) => keys.findIndex((key) => key.id === id) !== i);
  if (twice > 0) throw new Error(`${SETTING}: the key ${twice + 1} stands there twice`);
  return keys;
}
