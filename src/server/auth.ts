/** Where credentials stand in a request: the Authorization header, or the session cookie of a browser. */

export interface CookieSettings {
  readonly name: string;
  readonly secure: boolean;
}

/**
 * The __Host- prefix binds the cookie to this host over TLS. Browsers take no such cookie over plain HTTP, where dev mode is at home:
 * it has another name there, so that what was seen on an open line is never taken for the other. Production gives no cookie
 * that could travel in the clear: without TLS in front, browsers drop it, but for pages on the same machine.
 */
export function cookieSettings(mode: 'dev' | 'production', https: boolean): CookieSettings {
  return mode === 'dev' && !https
    ? { name: 'quantix_session', secure: false }
    : { name: '__Host-quantix_session', secure: true };
}

export interface Credential {
  readonly token: string;
  readonly from: 'header' | 'cookie';
}

/** A custom header: pages of other origins cannot send it without asking first, and are told no. */
const PROOF = 'x-requested-with';

/** The header wins. A cookie counts only for requests that prove to come from our own pages, or those of `origins`. */
export function findCredential(
  headers: Headers,
  cookie: CookieSettings,
  origins: readonly string[] = [],
): Credential | null {
  const authorization = headers.get('authorization');
  if (authorization !== null) {
    const [, token = ''] = /^Bearer\s+(\S+)\s*$/i.exec(authorization) ?? [];
    return { token, from: 'header' };
  }
  const token = findCookie(headers, cookie, origins);
  return token === null ? null : { token, from: 'cookie' };
}

/** What the browser's cookie says, also where a header wins over it. */
export function findCookie(
  headers: Headers,
  cookie: CookieSettings,
  origins: readonly string[] = [],
): string | null {
  const token = cookieValue(headers.get('cookie'), cookie.name);
  return token !== null && isFromOwnPage(headers, origins) ? token : null;
}

function cookieValue(header: string | null, name: string): string | null {
  for (const part of header?.split(';') ?? []) {
    const [key, value] = part.trim().split('=', 2);
    if (key === name && value) return value;
  }
  return null;
}

/**
 * Whether the browser says that one of our pages sent it. Browsers send Origin with every POST and every WebSocket, and Sec-Fetch-Site with
 * whatever goes over TLS or to this machine; where both are missing, the page has to prove itself. Pages of a neighbouring
 * host ("same-site") are as foreign as any.
 */
function isFromOwnPage(headers: Headers, origins: readonly string[]): boolean {
  if (headers.has('origin')) return isTrustedOrigin(headers, origins);
  const site = headers.get('sec-fetch-site');
  return site === null ? headers.has(PROOF) : site === 'same-origin' || site === 'none';
}

/** Whether it does not come from a foreign page: from ours, or from what is no browser. */
export function isTrustedOrigin(headers: Headers, origins: readonly string[]): boolean {
  const origin = headers.get('origin');
  if (origin === null) return headers.get('sec-fetch-site') !== 'cross-site';
  if (origins.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === headers.get('host');
}

/** `token` null takes the cookie away. */
export function setCookieHeader(
  cookie: CookieSettings,
  token: string | null,
  maxAgeMs: number,
): string {
  const age = token === null ? 0 : Math.floor(maxAgeMs / 1000);
  return [
    `${cookie.name}=${token ?? ''}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Strict',
    `Max-Age=${age}`,
    ...(cookie.secure ? ['Secure'] : []),
  ].join('; ');
}
