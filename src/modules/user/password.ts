/** Passwords: argon2id, in the library's recommended strength (19 MiB, two passes). */
import { hash, verify } from '@node-rs/argon2';

export function hashPassword(password: string): Promise<string> {
  return hash(password); // argon2id is the library's default
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
  nobody ??= hashPassword('nobody has this password');
  const matches = await verify(storedHash ?? (await nobody), password);
  return matches && storedHash !== null;
}
