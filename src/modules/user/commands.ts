/** Signing in and out, and making users. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { AlreadyExistsError, InvalidCredentialsError, NotFoundError } from '../../errors.js';
import { newId } from '../../ids.js';
import { hashPassword, verifyPassword } from './password.js';
import { endSession, openSession, signSession } from './session.js';

interface SignedIn {
  readonly userId: string;
  readonly sessionId: string;
  readonly token: string;
  readonly expiresAt: Date;
}

interface LoginResult {
  readonly userId: string;
  readonly expiresAt: string;
  readonly token: string | null;
}

/** Checking the password takes tens of milliseconds, so it is prepared; the transaction only records the sign-in. */
export const login = defineCommand<
  z.ZodObject<{ username: z.ZodString; password: z.ZodString }>,
  LoginResult,
  SignedIn | null
>({
  name: 'user.login',
  resourceType: 'User',
  permission: null,
  input: z.object({ username: z.string().max(254), password: z.string().max(1024) }),
  label: (input) => input.username,
  errors: [InvalidCredentialsError],
  async prepare({ services }, { username, password }) {
    const user = await services.data.db.user.findUnique({
      where: { username: username.toLowerCase() },
      select: { id: true, passwordHash: true, enabled: true },
    });
    const matches = await verifyPassword(user?.passwordHash ?? null, password);
    if (!user?.enabled || !matches) return null;
    const sessionId = newId();
    return { userId: user.id, sessionId, ...(await signSession(services, sessionId, user.id)) };
  },
  async run({ tx, now, prepared }) {
    if (!prepared) throw new InvalidCredentialsError();
    const { userId, token, expiresAt } = prepared;
    // An account disabled since the password was checked does not get in.
    const [after] = await tx.user.updateManyAndReturn({
      where: { id: userId, enabled: true },
      data: { lastLogin: now },
    });
    if (!after) throw new InvalidCredentialsError();
    return {
      result: { userId, expiresAt: expiresAt.toISOString(), token: null },
      once: { token },
      changed: [{ type: 'User', id: userId, before: { ...after, lastLogin: null }, after }],
    };
  },
  async after(call, _result, prepared) {
    if (!prepared) return;
    await openSession(call.services, prepared.sessionId, prepared.userId);
    call.setSessionCookie?.(prepared.token);
  },
});

export const logout = defineCommand({
  name: 'user.logout',
  resourceType: 'User',
  permission: 'user:read',
  input: z.object({}),
  errors: [],
  async run({ viewer }) {
    if (viewer.role === 'AGENT') throw new NotFoundError('Session', []);
    return { result: { sessionId: viewer.credentialId }, changed: [] };
  },
  async after(call, { sessionId }) {
    await endSession(call.services, sessionId);
    call.setSessionCookie?.(null);
  },
});

const MIN_PASSWORD = 12;

/** Given by the command line for the first administrator; hashing is prepared, for it takes time. */
export const createUser = defineCommand({
  name: 'user.create',
  resourceType: 'User',
  permission: 'user:create',
  input: z.object({
    username: z
      .string()
      .regex(
        /^[a-z][a-z0-9._-]{0,62}$/,
        'must begin with a lower-case letter and go on with at most 62 of a-z, 0-9, ".", "_", "-"',
      ),
    email: z
      .string()
      .max(254)
      .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
      .transform((text) => text.toLowerCase()),
    role: z.enum(['ADMIN', 'OPERATOR', 'VIEWER']),
    password: z
      .string()
      .min(MIN_PASSWORD, `must have at least ${MIN_PASSWORD} characters`)
      .max(1024),
  }),
  errors: [AlreadyExistsError],
  label: (input) => input.username,
  prepare: (_call, { password }) => hashPassword(password),
  async run({ tx, newId, prepared }, { password: _, ...fields }) {
    const after = await tx.user.create({
      data: { id: newId(), ...fields, passwordHash: prepared },
    });
    return {
      result: { userId: after.id },
      changed: [{ type: 'User', id: after.id, before: null, after }],
    };
  },
});
