/** The forms of addresses that settings take. */
import { isIP } from 'node:net';

/** A host name or an IP address, without port. */
export function isHost(value: string): boolean {
  if (isIP(value) !== 0) return true;
  const labels = value.split('.');
  const named = labels.every((label) => /^[a-z0-9_-]{1,63}$/i.test(label) && !/^-|-$/.test(label));
  // A last label of digits alone is an IP address with a mistake in it, not a name.
  return named && value.length <= 253 && !/^\d+$/.test(labels.at(-1) ?? '');
}

/** A host with its port; an IPv6 address in brackets. */
export function isHostAndPort(value: string): boolean {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) ?? [];
  const known = bracketed === undefined ? isHost(plain ?? '') : isIP(bracketed) === 6;
  return known && Number(port) >= 1 && Number(port) <= 65535;
}

/** Scheme, host and port: no path, and no user and password, which would end up in logs. */
export function isServerUrl(value: string): boolean {
  return /^https?:\/\/[^/\\?#@\s]+$/.test(value) && URL.canParse(value);
}

/** Exactly what a browser sends as `Origin`: lower case, no default port. Anything else never matches. */
export function isWebOrigin(value: string): boolean {
  return isServerUrl(value) && new URL(value).origin === value;
}

/** An IP address, or a range of them in CIDR notation. */
export function isAddressRange(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}
