/** Where credentials stand in a request: the Authorization header, or the session cookie of a browser. */

export interface CookieSettings {
  readonly name: string;
  readonly secure: boolean;
}

/** The __Host- prefix binds the cookie to this host over TLS; plain HTTP, as in dev mode, cannot have it. */
export function cookieSettings(mode: 'dev' | 'production'): CookieSettings {
  return mode === 'dev'
    ? { name: 'quantix_session', secure: false }
    : { name: '__Host-quantix_session', secure: true };
}

export interface Credential {
  readonly token: string;
  readonly from: 'header' | 'cookie';
}

/** The header wins. A cookie counts only for requests from our own pages, and those of `origins`: a foreign one gets none of it. */
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
  const token = cookieValue(headers.get('cookie'), cookie.name);
  return token !== null && isTrustedOrigin(headers, origins) ? { token, from: 'cookie' } : null;
}

function cookieValue(header: string | null, name: string): string | null {
  for (const part of header?.split(';') ?? []) {
    const [key, value] = part.trim().split('=', 2);
    if (key === name && value) return value;
  }
  return null;
}

/** Browsers send Origin with every POST and every WebSocket; a request without one cannot come from a foreign page's script. */
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
