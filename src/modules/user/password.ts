/** Passwords: argon2id, in the library's recommended strength (19 MiB, two passes). */
import { hash, verify } from '@node-rs/argon2';
import { UnavailableError } from '../../errors.js';

/** Each takes a thread for tens of milliseconds: more at once than this would keep everybody waiting, and there are few threads. */
const MOST_AT_ONCE = 64;
let running = 0;

export function hashPassword(password: string): Promise<string> {
  return inTurn(() => hash(password)); // argon2id is the library's default
}

let nobody: Promise<string> | undefined;

/**
 * Whether `password` belongs to `storedHash`. Without a hash (no such user) the same work is done, and the answer is no,
 * so that the time tells nothing.
 */
export async function verifyPassword(
  storedHash: string | null,
  password: string,
): Promise<boolean> {
  nobody ??= hash('nobody has this password');
  const other = await nobody;
  const matches = await inTurn(() => verify(storedHash ?? other, password));
  return matches && storedHash !== null;
}

/** Throws UnavailableError when too many are at it. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= MOST_AT_ONCE)
    throw new UnavailableError('Too many people sign in at this moment. Try again.');
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
  }
}
