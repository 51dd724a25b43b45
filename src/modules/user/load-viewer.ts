/** Who a credential stands for, as the database knows it at this moment. Null for every credential that does not count. */
import { type Permission, type Viewer, withScope } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import type { SessionClaims } from './session-token.js';

export type Loaded = Omit<Viewer, 'credentialId'> & {
  readonly credentialId?: string;
  /** When the credential ends by itself, where only the database knows. */
  readonly until?: Date | null;
};

const USER = {
  id: true,
  username: true,
  role: true,
  mustChangePassword: true,
  memberships: { select: { projectId: true, role: true } },
} as const;

interface UserRow {
  readonly id: string;
  readonly username: string;
  readonly role: 'ADMIN' | 'OPERATOR' | 'VIEWER';
  readonly mustChangePassword: boolean;
  readonly memberships: readonly { projectId: string; role: 'OPERATOR' | 'VIEWER' }[];
}

const userOf = ({ id, username, role, memberships }: UserRow): Omit<Viewer, 'credentialId'> => ({
  id,
  userId: id,
  name: username,
  role,
  projects: new Map(memberships.map((m) => [m.projectId, m.role])),
});

/** The session's row decides whether it still counts: see session.ts. */
export async function loadUser(
  { data, clock }: Services,
  { sessionId, userId }: SessionClaims,
): Promise<Loaded | null> {
  const session = await data.db.session.findFirst({
    where: { id: sessionId, userId, expiresAt: { gt: clock.now() }, user: { enabled: true } },
    select: { user: { select: USER } },
  });
  return (
    session && { ...userOf(session.user), mustChangePassword: session.user.mustChangePassword }
  );
}

const counting = (tokenHash: string, now: Date) => ({
  tokenHash,
  revokedAt: null,
  OR: [{ expiresAt: null }, { expiresAt: { gt: now } }],
});

/** The owner's rights as they are now, cut by what the token is for. */
export async function loadScript(
  { data, clock }: Services,
  tokenHash: string,
): Promise<Loaded | null> {
  const token = await data.db.apiToken.findFirst({
    where: { ...counting(tokenHash, clock.now()), user: { enabled: true } },
    select: { id: true, expiresAt: true, scopes: true, projectIds: true, user: { select: USER } },
  });
  if (!token?.user) return null;
  const { id, expiresAt, scopes, projectIds, user } = token;
  const scope = {
    permissions: new Set(scopes as Permission[]), // a word that is no permission is asked for by nobody
    projects: projectIds.length === 0 ? null : new Set(projectIds),
  };
  return { ...withScope({ ...userOf(user), credentialId: id }, scope), until: expiresAt };
}

export async function loadAgent(
  { data, clock }: Services,
  tokenHash: string,
): Promise<Loaded | null> {
  const token = await data.db.apiToken.findFirst({
    where: { ...counting(tokenHash, clock.now()), nodeId: { not: null } },
    select: { id: true, expiresAt: true, node: { select: { id: true, hostname: true } } },
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
    until: token.expiresAt,
  };
}
