/** Every ephemeral key, channel and lifetime, built here and nowhere else. */

export const ephemeralKeys = {
  /** `hash`: 64 hex digits of the request. */
  apiCache: (hash: string) => `cache:api:${hash}`,
  /** Another one after every committed change to an object of `type`; cached answers carry those they were made under. */
  generation: (type: string) => `cache:api:generation:${type}`,
  /** Who is about to change what the mark under `key` stands for, by when that is over at the latest. */
  writers: (key: string) => `${key}:writers`,
  /** Somebody is finding the answer that will be kept under this `hash`. */
  flight: (hash: string) => `cache:api:flight:${hash}`,
  /** `id`: the token's id, never the token itself. */
  session: (id: string) => `session:${id}`,
  nodeMetrics: (nodeId: string) => `metrics:node:${nodeId}`,
  rateLimit: (ip: string) => `ratelimit:${ip}`,
  /** Of credentials from there that nobody has proven. */
  credentialLimit: (ip: string) => `credentiallimit:${ip}`,
  /** `id`: of a user, or of an agent's node. */
  principalLimit: (id: string) => `principallimit:${id}`,
  /** Attempts to sign in. `of`: see modules/user/throttle.ts. */
  signInLimit: (of: string) => `signinlimit:${of}`,
  /** Who signs in too often has to wait for its end. */
  signInWaitLimit: (of: string) => `signinwaitlimit:${of}`,
  /** Somebody has signed in from there. `hash`: of the account and the network. */
  signInKnown: (hash: string) => `signinknown:${hash}`,
  /** Points that a user, or an agent's node, has spent. */
  costLimit: (id: string) => `costlimit:${id}`,
  /** Written and deleted, to see whether Redis does what we need. `id`: of the process. */
  probe: (id: string) => `probe:${id}`,
  /** `hash`: of the ticket, never the ticket itself. */
  consoleTicket: (hash: string) => `console:${hash}`,
} as const;

/** Keys that speak of rows of the database, as patterns: void when another database takes its place. */
export const ofTheDatabase = ['session:*', 'cache:api:*', 'console:*'] as const;

export const ephemeralChannels = {
  /** Hints that objects changed: JSON `ChangeHint[]`. */
  changes: 'quantix:changes',
  /** Ids of nodes that reported metrics. */
  samples: 'quantix:samples',
  /** Nobody listens: to see whether one may speak. */
  probe: 'quantix:probe',
} as const;

export const ephemeralTtlMs = {
  apiCache: 60_000,
  signInLimit: 60 * 60_000,
  signInKnown: 30 * 24 * 60 * 60_000,
  /** Of a claim whose owner died: until then others wait for a moment, in vain. */
  flight: 5_000,
  nodeMetrics: 30_000,
  rateLimit: 60_000,
  consoleTicket: 60_000,
  /** A generation that has gone makes what was kept under it stale: longer than answers are kept, or they would be kept in vain. */
  generation: 10 * 60_000,
  /** Of a commit whose writer died: longer than transactions take, so that one that takes longer is worth everybody's notice. */
  unsettledGeneration: 30_000,
} as const;

/** Whether a message is still of use to others after an outage. */
export const isToldLate = (channel: string): boolean => channel !== ephemeralChannels.samples;

/**
 * What becomes of a key while Redis is away.
 * - keep: this process keeps it, and tells Redis when that is back
 * - tell: as keep, but until then nobody can know it: others may have written it as well
 * - here: this process keeps it, for itself
 * - nothing: it would be wrong without Redis (answers that others may have made stale)
 */
export type OutageRule = 'keep' | 'tell' | 'here' | 'nothing';

export function outageRule(key: string): OutageRule {
  if (key.startsWith('cache:api:generation:')) return 'tell';
  if (key.startsWith('cache:api:')) return 'nothing';
  return /^\w*limit:/.test(key) ? 'here' : 'keep';
}
