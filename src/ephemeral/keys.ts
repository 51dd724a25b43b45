/** Every ephemeral key, channel and lifetime, built here and nowhere else. */

export const ephemeralKeys = {
  /** `hash`: 64 hex digits of the request. */
  apiCache: (hash: string) => `cache:api:${hash}`,
  /** Another one after every committed change to an object of `type`; cached answers carry those they were made under. */
  generation: (type: string) => `cache:api:generation:${type}`,
  /** `id`: the token's id, never the token itself. */
  session: (id: string) => `session:${id}`,
  nodeMetrics: (nodeId: string) => `metrics:node:${nodeId}`,
  rateLimit: (ip: string) => `ratelimit:${ip}`,
  /** `hash`: of the ticket, never the ticket itself. */
  consoleTicket: (hash: string) => `console:${hash}`,
} as const;

export const ephemeralChannels = {
  /** Hints that objects changed: JSON `ChangeHint[]`. */
  changes: 'quantix:changes',
} as const;

export const ephemeralTtlMs = {
  apiCache: 60_000,
  session: 24 * 60 * 60_000,
  nodeMetrics: 30_000,
  rateLimit: 60_000,
  consoleTicket: 60_000,
  /** A generation that has gone makes what was kept under it stale: longer than answers are kept, or they would be kept in vain. */
  generation: 10 * 60_000,
} as const;
