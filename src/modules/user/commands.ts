/** Signing in and out, and making users. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { AlreadyExistsError, InvalidCredentialsError } from '../../errors.js';
import { newId } from '../../ids.js';
import { hashPassword, verifyPassword } from './password.js';
import { email, newPassword, username } from './rules.js';
import { endSession, openSession, signSession } from './session.js';

interface SignedIn {
  readonly userId: string;
  readonly sessionId: string;
  readonly token: string;
  readonly expiresAt: Date;
  /** When the user signed in before this time. */
  readonly lastLogin: Date | null;
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
      select: { id: true, passwordHash: true, enabled: true, lastLogin: true },
    });
    const matches = await verifyPassword(user?.passwordHash ?? null, password);
    if (!user?.enabled || !matches) return null;
    const sessionId = newId();
    const { id: userId, lastLogin } = user;
    return { userId, sessionId, lastLogin, ...(await signSession(services, sessionId, userId)) };
  },
  async run({ tx, now, prepared }) {
    if (!prepared) throw new InvalidCredentialsError();
    const { userId, sessionId, token, expiresAt, lastLogin } = prepared;
    // An account disabled since the password was checked does not get in.
    const [after] = await tx.user.updateManyAndReturn({
      where: { id: userId, enabled: true },
      data: { lastLogin: now },
    });
    if (!after) throw new InvalidCredentialsError();
    return {
      result: { userId, expiresAt: expiresAt.toISOString(), token: null },
      once: { token },
      changed: [{ type: 'User', id: userId, before: { ...after, lastLogin }, after }],
      actor: { userId, name: after.username, session: sessionId },
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
    return { result: { sessionId: viewer.credentialId }, changed: [] };
  },
  async after(call, { sessionId }) {
    await endSession(call.services, sessionId);
    call.setSessionCookie?.(null);
  },
});

/** Also given by the command line, for the first administrator. Hashing is prepared, for it takes time. */
export const createUser = defineCommand({
  name: 'user.create',
  resourceType: 'User',
  permission: 'user:create',
  input: z.object({
    username,
    email,
    role: z.enum(['ADMIN', 'OPERATOR', 'VIEWER']),
    password: newPassword,
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
