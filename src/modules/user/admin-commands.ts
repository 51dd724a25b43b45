/** What administrators do to users. The last enabled administrator stays: nobody could let anybody in again. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, optional, present, version } from '../../core/input.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, LastAdministratorError } from '../../errors.js';
import type { User } from '../../gen/client/client.js';
import { hashPassword } from './password.js';
import { UserEntity } from './queries.js';
import { email, newPassword } from './rules.js';

const resourceType = 'User';
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

/** A hash is no part of what happened: it is neither audited nor answered. */
function shown<T extends User>({ passwordHash: _, ...user }: T) {
  return user;
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
    return { result: { userId: id }, changed: after === before ? [] : [change] };
  },
});

/** For somebody who forgot it. Sessions that are open go on; disabling the user ends them. */
export const setUserPassword = defineCommand({
  name: 'user.setPassword',
  resourceType,
  permission: 'user:update',
  subject,
  input: z.object({ id: idOf('User'), password: newPassword }),
  errors: [],
  prepare: (_call, { password }) => hashPassword(password),
  async run({ tx, prepared }, { id }) {
    const before = await readForEdit<User>(tx, UserEntity, id);
    const after = await updateVersioned(tx, UserEntity, before, { passwordHash: prepared });
    return {
      result: { userId: id },
      changed: [{ type: resourceType, id, before: shown(before), after: shown(after) }],
    };
  },
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
    await deleteVersioned(tx, UserEntity, before);
    return {
      result: { deletedUserId: id },
      changed: [{ type: resourceType, id, before: shown(before), after: null }],
    };
  },
});
