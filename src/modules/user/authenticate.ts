/** From a bearer token to a viewer: users through their session, agents through their node's token. */
import { LRUCache } from 'lru-cache';
import type { Viewer } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import { hashToken, isAgentToken } from '../../core/tokens.js';
import { verifySession } from './session.js';

export interface Authentication {
  readonly viewer: Viewer;
  /** When the credential ends by itself; null: not before it is revoked. */
  readonly expiresAt: Date | null;
}

export type Authenticator = (token: string) => Promise<Authentication | null>;

/** How long a viewer's role and memberships may be remembered. Changes announced by a hint are seen at once. */
const REMEMBER_MS = 5_000;
const MAX_REMEMBERED = 10_000;

type Loaded = Omit<Viewer, 'credentialId'> & { credentialId?: string };

/** Made once per app. The answer is null for every token that does not count, whatever the reason. */
export function createAuthenticator(services: Services): Authenticator {
  const known = new LRUCache<string, Loaded>({ max: MAX_REMEMBERED, ttl: REMEMBER_MS });
  // Counts the changes: what began to be loaded before the last one may be what it changed.
  let changes = 0;
  services.hints.listen(({ type }) => {
    if (
      type === 'User' ||
      type === 'ProjectMember' ||
      type === 'ApiToken' ||
      type === 'HypervisorNode'
    ) {
      changes += 1;
      known.clear();
    }
  });

  async function remembered(
    key: string,
    load: () => Promise<Loaded | null>,
  ): Promise<Loaded | null> {
    const hit = known.get(key);
    if (hit) return hit;
    const before = changes;
    const loaded = await load();
    if (loaded && changes === before) known.set(key, loaded);
    return loaded;
  }

  return async (token) => {
    if (token.length > 2048) return null;
    if (isAgentToken(token)) {
      const hash = hashToken(token);
      const agent = await remembered(`agent:${hash}`, () => loadAgent(services, hash));
      return (
        agent && { viewer: { ...agent, credentialId: agent.credentialId ?? '' }, expiresAt: null }
      );
    }
    const session = await verifySession(services, token);
    if (!session) return null;
    const user = await remembered(`user:${session.userId}`, () =>
      loadUser(services, session.userId),
    );
    return (
      user && { viewer: { ...user, credentialId: session.sessionId }, expiresAt: session.expiresAt }
    );
  };
}

async function loadUser({ data }: Services, id: string): Promise<Loaded | null> {
  const user = await data.db.user.findFirst({
    where: { id, enabled: true },
    select: {
      username: true,
      role: true,
      memberships: { select: { projectId: true, role: true } },
    },
  });
  if (!user) return null;
  return {
    id,
    userId: id,
    name: user.username,
    role: user.role,
    projects: new Map(user.memberships.map((m) => [m.projectId, m.role])),
  };
}

async function loadAgent({ data, clock }: Services, tokenHash: string): Promise<Loaded | null> {
  const token = await data.db.apiToken.findFirst({
    where: {
      tokenHash,
      revokedAt: null,
      nodeId: { not: null },
      OR: [{ expiresAt: null }, { expiresAt: { gt: clock.now() } }],
    },
    select: { id: true, node: { select: { id: true, hostname: true } } },
  });
  if (!token?.node) return null;
  const { id, hostname } = token.node;
  return {
    id,
    userId: null,
    name: `agent:${hostname}`.slice(0, 253),
    role: 'AGENT',
    projects: new Map(),
    credentialId: token.id,
  };
}
