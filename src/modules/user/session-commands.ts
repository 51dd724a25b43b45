/** Changing one's own password, and ending sessions. */
import { z } from 'zod';
import { may, type Viewer } from '../../core/authz.js';
import { defineCommand } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import {
  ConflictError,
  ForbiddenError,
  InvalidCredentialsError,
  TooManyAttemptsError,
  ValidationError,
} from '../../errors.js';
import type { User } from '../../gen/client/client.js';
import { requireUnguessable } from './guessable.js';
import { hashPassword, verifyPassword } from './password.js';
import { UserEntity } from './queries.js';
import { givenPassword, newPassword, shown } from './rules.js';
import { forgetSessions } from './session.js';
import { endSessions, SessionEntity } from './session-entity.js';
import { beginAttempt } from './throttle.js';

const WRONG = 'This is not your present password.';
const SAME = 'must be another one than before';

/** A token is for what its owner lets it do, and not for the owner's account: that needs somebody who has signed in. */
async function requireOwnSession(tx: Tx, { userId, credentialId }: Viewer): Promise<string> {
  const own = userId && (await tx.session.findFirst({ where: { id: credentialId, userId } }));
  if (!own) throw new ForbiddenError('user:update', 'SESSION');
  return own.userId;
}

export const changePassword = defineCommand({
  name: 'user.changePassword',
  resourceType: 'User',
  permission: 'user:read',
  beforePasswordChange: true,
  input: z.object({ currentPassword: givenPassword, newPassword }),
  label: () => '',
  errors: [InvalidCredentialsError, TooManyAttemptsError],
  unlocked:
    'conditional statements on the own rows: of two at once the second meets another password',
  async prepare({ services, viewer, ipAddress }, input) {
    const user =
      viewer?.userId &&
      (await services.data.db.user.findUnique({ where: { id: viewer.userId, enabled: true } }));
    if (!user) throw new ForbiddenError('user:update', 'SESSION');
    // As a sign-in: whoever finds an open browser must not be able to try passwords in it.
    const attempt = await beginAttempt(services, user.username, ipAddress);
    if (!(await verifyPassword(user.passwordHash, input.currentPassword)))
      throw new InvalidCredentialsError(['currentPassword'], WRONG);
    await attempt.succeeded();
    if (input.newPassword === input.currentPassword)
      throw ValidationError.of(['newPassword'], SAME);
    await requireUnguessable(input.newPassword, [user.username, user.email], ['newPassword']);
    return { verified: user.passwordHash, passwordHash: await hashPassword(input.newPassword) };
  },
  async run({ tx, viewer, now, prepared }) {
    const userId = await requireOwnSession(tx, viewer);
    const before = await readForEdit<User>(tx, UserEntity, userId);
    if (before.passwordHash !== prepared.verified) throw new ConflictError('User', before.version);
    const after = await updateVersioned(tx, UserEntity, before, {
      passwordHash: prepared.passwordHash,
      passwordChangedAt: now,
      mustChangePassword: false,
    });
    const ended = await endSessions(tx, { userId, id: { not: viewer.credentialId } });
    return {
      result: { userId, sessionIds: ended.sessionIds },
      changed: [
        { type: 'User', id: userId, before: shown(before), after: shown(after) },
        ...ended.changed,
      ],
    };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});

export const revokeSession = defineCommand({
  name: 'session.revoke',
  resourceType: 'Session',
  permission: 'user:read',
  subject: (input) => ({ entity: SessionEntity, id: input.id }),
  input: z.object({ id: idOf('Session') }),
  errors: [],
  async run({ tx, viewer }, { id }) {
    if (!may(viewer, 'user:update', null)) await requireOwnSession(tx, viewer);
    const { changed, sessionIds } = await endSessions(tx, { id });
    return { result: { revokedSessionId: id, sessionIds }, changed };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});

export const revokeOtherSessions = defineCommand({
  name: 'session.revokeOthers',
  resourceType: 'User',
  permission: 'user:read',
  input: z.object({}),
  errors: [],
  unlocked: 'it deletes the own sessions, however often',
  async run({ tx, viewer }) {
    const userId = await requireOwnSession(tx, viewer);
    const ended = await endSessions(tx, { userId, id: { not: viewer.credentialId } });
    return { result: { userId, sessionIds: ended.sessionIds }, changed: ended.changed };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});

export const revokeUserSessions = defineCommand({
  name: 'user.revokeSessions',
  resourceType: 'User',
  permission: 'user:update',
  subject: (input) => ({ entity: UserEntity, id: input.id }),
  input: z.object({ id: idOf('User') }),
  errors: [],
  async run({ tx }, { id }) {
    const ended = await endSessions(tx, { userId: id });
    return { result: { userId: id, sessionIds: ended.sessionIds }, changed: ended.changed };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});
