/** Addresses as the database prints them. Pure. */

/**
 * An `inet` column as a network with its prefix length. The database leaves the length out when it is the full one:
 * "10.0.0.5" becomes "10.0.0.5/32", "2001:db8::1" becomes "2001:db8::1/128"; others and null stay as they are.
 */
export function networkOf(inet: string | null): string | null {
  if (inet === null || inet.includes('/')) return inet;
  return `${inet}/${inet.includes(':') ? 128 : 32}`;
}
