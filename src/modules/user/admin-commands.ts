/** What administrators do to users. The last enabled administrator stays: nobody could let anybody in again. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, optional, present, version } from '../../core/input.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, LastAdministratorError, ValidationError } from '../../errors.js';
import type { User } from '../../gen/client/client.js';
import { requireUnguessable } from './guessable.js';
import { hashPassword } from './password.js';
import { UserEntity } from './queries.js';
import { email, newPassword, shown } from './rules.js';
import { forgetSessions } from './session.js';
import { endSessions } from './session-entity.js';

const resourceType = 'User';
const OWN = 'This is your own account: use changePassword, which asks for your present password.';
const NONE = { changed: [], sessionIds: [] };
const subject = (input: { id: string }) => ({ entity: UserEntity, id: input.id });

/** Changes that could leave nobody in charge wait for each other, so that two administrators cannot remove one another at once. */
async function keepAnAdministrator(tx: Tx, user: User, stays: boolean): Promise<void> {
  if (stays || user.role !== 'ADMIN' || !user.enabled) return;
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('quantix:administrators'))`;
  const others = await tx.user.count({
    where: { role: 'ADMIN', enabled: true, id: { not: user.id } },
  });
  if (others === 0) throw new LastAdministratorError(user.username);
}

export const updateUser = defineCommand({
  name: 'user.update',
  resourceType,
  permission: 'user:update',
  subject,
  input: z.object({
    id: idOf('User'),
    email: optional(email),
    role: optional(z.enum(['ADMIN', 'OPERATOR', 'VIEWER'])),
    enabled: optional(z.boolean()),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError, LastAdministratorError],
  async run({ tx }, { id, expectedVersion, ...fields }) {
    const before = await readForEdit<User>(tx, UserEntity, id, expectedVersion);
    const changes = present(fields);
    const next = { ...before, ...changes };
    await keepAnAdministrator(tx, before, next.role === 'ADMIN' && next.enabled);
    const after = await updateVersioned(tx, UserEntity, before, changes);
    const change = { type: resourceType, id, before: shown(before), after: shown(after) };
    // They would count again with the account.
    const ended = after.enabled ? NONE : await endSessions(tx, { userId: id });
    return {
      result: { userId: id, sessionIds: ended.sessionIds },
      changed: [...(after === before ? [] : [change]), ...ended.changed],
    };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});

/**
 * For somebody who forgot it. Whoever has sessions open may be the one against whom it is set: they end. Two know this password,
 * so it is good for setting another one, unless told otherwise.
 */
export const setUserPassword = defineCommand({
  name: 'user.setPassword',
  resourceType,
  permission: 'user:update',
  subject,
  input: z.object({
    id: idOf('User'),
    password: newPassword,
    mustChangePassword: optional(z.boolean()),
  }),
  errors: [],
  async prepare({ services, viewer }, { id, password }) {
    if (id === viewer?.userId) throw ValidationError.of(['id'], OWN);
    const user = await services.data.db.user.findUnique({
      where: { id },
      select: { username: true, email: true },
    });
    await requireUnguessable(password, user ? [user.username, user.email] : [], ['password']);
    return hashPassword(password);
  },
  async run({ tx, now, prepared }, { id, mustChangePassword = true }) {
    const before = await readForEdit<User>(tx, UserEntity, id);
    const after = await updateVersioned(tx, UserEntity, before, {
      passwordHash: prepared,
      passwordChangedAt: now,
      mustChangePassword,
    });
    const ended = await endSessions(tx, { userId: id });
    return {
      result: { userId: id, sessionIds: ended.sessionIds },
      changed: [
        { type: resourceType, id, before: shown(before), after: shown(after) },
        ...ended.changed,
      ],
    };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});

export const deleteUser = defineCommand({
  name: 'user.delete',
  resourceType,
  permission: 'user:delete',
  subject,
  input: z.object({ id: idOf('User'), expectedVersion: version }),
  errors: [LastAdministratorError],
  async run({ tx }, { id, expectedVersion }) {
    const before = await readForEdit<User>(tx, UserEntity, id, expectedVersion);
    await keepAnAdministrator(tx, before, false);
    const ended = await endSessions(tx, { userId: id });
    await deleteVersioned(tx, UserEntity, before);
    return {
      result: { deletedUserId: id, sessionIds: ended.sessionIds },
      changed: [{ type: resourceType, id, before: shown(before), after: null }, ...ended.changed],
    };
  },
  after: ({ services }, { sessionIds }) => forgetSessions(services, sessionIds),
});
