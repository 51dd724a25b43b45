/** From a bearer token to a viewer: users through their session, scripts and agents through their token. */
import { LRUCache } from 'lru-cache';
import type { Viewer } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import { hashToken, kindOfToken } from '../../core/tokens.js';
import { CredentialWatch } from './credential-watch.js';
import { type Loaded, loadAgent, loadScript, loadUser } from './load-viewer.js';
import { verifySession } from './session.js';
import { MAX_TOKEN } from './session-token.js';
import { sharedAnswers } from './shared-answers.js';
import { useRecorder } from './token-use.js';

export interface Authentication {
  readonly viewer: Viewer;
  /** When the credential ends by itself; null: not before it is revoked. */
  readonly expiresAt: Date | null;
}

export interface Authenticator {
  (token: string): Promise<Authentication | null>;
  /** The same, for what lasts and asks often: who asks at the same time shares an answer. */
  again(token: string): Promise<Authentication | null>;
  readonly watch: CredentialWatch;
}

/** What the viewers of each kind are made from: as long as nothing of it changes, they are who they were. */
const MADE_FROM = {
  user: ['ProjectMember', 'Session', 'User'],
  agent: ['ApiToken', 'HypervisorNode'],
  script: ['ApiToken', 'ProjectMember', 'User'],
} as const;
/** How long a viewer is remembered at most: who writes past this program, in the database itself, is noticed after that. */
const REMEMBER_MS = 60_000;
/** Where it does not show whether something changed. */
const REMEMBER_UNSEEN_MS = 5_000;
const MAX_REMEMBERED = 10_000;

type Marks = readonly string[] | null;

interface Remembered {
  readonly loaded: Loaded;
  /** Taken before it was loaded: what changed meanwhile makes it another one. */
  readonly marks: Marks;
  readonly at: number;
}

/** Made once per app. The answer is null for every token that does not count, whatever the reason. */
export function createAuthenticator(services: Services): Authenticator {
  const { clock, ephemeral, generations, log } = services;
  const memory = () => ({
    known: new LRUCache<string, Remembered>({ max: MAX_REMEMBERED }),
    /** Counts them: what began to be loaded before the last one may be what it changed. */
    changes: 0,
  });
  const memories = { user: memory(), agent: memory(), script: memory() };
  const recordUse = useRecorder(services);
  // Where marks cannot be read, hints are all there is.
  const watch = new CredentialWatch();
  services.hints.listen(({ type, id }) => {
    for (const kind of ['user', 'agent', 'script'] as const) {
      if (!MADE_FROM[kind].some((source) => source === type)) continue;
      memories[kind].changes += 1;
      memories[kind].known.clear();
    }
    watch.tell(id);
  });

  function isCurrent({ loaded, marks, at }: Remembered, now: Marks): boolean {
    let allowed = now && generations.shared ? REMEMBER_MS : REMEMBER_UNSEEN_MS;
    // The marks are there, and do not speak for all: an instance without Redis may take away rights unheard.
    if (now && !generations.shared && !ephemeral.degraded) allowed = 0;
    if (clock.monotonic() - at >= allowed) return false;
    if (loaded.until && loaded.until <= clock.now()) return false;
    return now === null || now.join() === marks?.join();
  }

  async function remembered(
    kind: keyof typeof MADE_FROM,
    key: string,
    marks: Marks,
    load: () => Promise<Loaded | null>,
  ): Promise<Loaded | null> {
    const memory = memories[kind];
    const { known, changes: before } = memory;
    const hit = known.get(key);
    if (hit && isCurrent(hit, marks)) return hit.loaded;
    const at = clock.monotonic();
    const loaded = await load();
    if (loaded && memory.changes === before) known.set(key, { loaded, marks, at });
    else known.delete(key);
    return loaded;
  }

  async function marksOf(types: readonly string[]): Promise<Marks> {
    try {
      return (await generations.read(types)).marks;
    } catch (err) {
      log.warn({ err }, 'generations cannot be read; viewers are remembered for seconds');
      return null;
    }
  }

  async function byToken(
    kind: 'agent' | 'script',
    token: string,
    load: typeof loadAgent,
  ): Promise<Authentication | null> {
    const hash = hashToken(token);
    const marks = await marksOf(MADE_FROM[kind]);
    const found = await remembered(kind, hash, marks, () => load(services, hash));
    if (!found) return null;
    const { credentialId = '', until = null } = found;
    if (kind === 'script') recordUse(credentialId);
    return { viewer: viewerOf(found, credentialId), expiresAt: until };
  }

  async function authenticate(token: string): Promise<Authentication | null> {
    if (token.length > MAX_TOKEN) return null;
    const kind = kindOfToken(token);
    if (kind === 'agent') return byToken(kind, token, loadAgent);
    if (kind === 'script') return byToken(kind, token, loadScript);
    if (kind !== null) return null; // an enrolment token signs nobody in
    const session = await verifySession(services, token, MADE_FROM.user);
    if (!session) return null;
    const { marks, sessionId, expiresAt } = session;
    const user = await remembered('user', sessionId, marks, () => loadUser(services, session));
    return user && { viewer: viewerOf(user, sessionId), expiresAt };
  }

  return Object.assign(authenticate, { again: sharedAnswers(authenticate), watch });
}

const viewerOf = ({ until: _, ...viewer }: Loaded, credentialId: string): Viewer => ({
  ...viewer,
  credentialId,
});
