/** Sessions as objects of the API: administrators see all, everybody sees their own. */
import type { Change } from '../../core/audit.js';
import { defineEntity, owned } from '../../core/entity.js';
import type { Tx } from '../../data/client.js';
import type { Prisma, Session } from '../../gen/client/client.js';
import { range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const SessionEntity = defineEntity({
  type: 'Session',
  model: 'session',
  label: 'id',
  visibility: owned('userId', 'user:read'),
  projectColumn: null,
});

export const sessions = declareList(SessionEntity, {
  filter: {
    user: ref('userId', 'User'),
    userAgent: text(),
    createdAt: range(),
    expiresAt: range(),
  },
  order: { CREATED_AT: 'createdAt', EXPIRES_AT: 'expiresAt' },
});

/**
 * Ends sessions, for good and everywhere: the announcement of these changes is what others hear of it.
 * `forgetSessions` is to follow the commit.
 */
export async function endSessions(
  tx: Tx,
  where: Prisma.SessionWhereInput,
): Promise<{ changed: Change[]; sessionIds: string[] }> {
  const ended = await tx.session.findMany({ where, orderBy: { id: 'asc' } });
  const sessionIds = ended.map(({ id }) => id);
  if (ended.length > 0) await tx.session.deleteMany({ where: { id: { in: sessionIds } } });
  return { changed: ended.map(endOf), sessionIds };
}

const endOf = (session: Session): Change => ({
  type: 'Session',
  id: session.id,
  before: session,
  after: null,
});
