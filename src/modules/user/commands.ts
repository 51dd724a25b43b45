/** Signing in and out, and making users. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import type { Call } from '../../core/context.js';
import { optional } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, InvalidCredentialsError, TooManyAttemptsError } from '../../errors.js';
import { newId } from '../../ids.js';
import { requireUnguessable } from './guessable.js';
import { hashPassword, verifyPassword } from './password.js';
import { UserEntity } from './queries.js';
import { email, newPassword, username } from './rules.js';
import { forgetSessions, openSession } from './session.js';
import { endSessions } from './session-entity.js';
import { claimsOf, MAX_TOKEN, signSession } from './session-token.js';
import { beginAttempt } from './throttle.js';

/** Sessions that one user may have; one more ends the oldest. Scripts that never sign out fill no table. */
const MOST_SESSIONS = 100;

interface SignedIn {
  readonly userId: string;
  /** The one that was verified: who has another one by now does not get in. */
  readonly passwordHash: string;
  readonly sessionId: string;
  readonly token: string;
  readonly expiresAt: Date;
  readonly ipAddress: string | null;
  readonly userAgent: string;
  /** The session of the browser until now: it ends, so that nobody can have planted it. */
  readonly replaced: string | null;
  /** When the user signed in before this time. */
  readonly lastLogin: Date | null;
}

interface LoginResult {
  readonly userId: string;
  readonly expiresAt: string;
  readonly mustChangePassword: boolean;
  readonly token: string | null;
  readonly endedSessionIds: readonly string[];
}

/** Checking the password takes tens of milliseconds, so it is prepared; the transaction records the sign-in. */
export const login = defineCommand<
  z.ZodObject<{ username: z.ZodString; password: z.ZodString }>,
  LoginResult,
  SignedIn | null
>({
  name: 'user.login',
  resourceType: 'User',
  permission: null,
  beforePasswordChange: true,
  input: z.object({ username: z.string().max(254), password: z.string().max(1024) }),
  label: (input) => input.username,
  errors: [InvalidCredentialsError, TooManyAttemptsError],
  unlocked:
    'conditional statements on the own rows; who signs in shall not wait for etcd, nor need it',
  async prepare(call, { username, password }) {
    const { services } = call;
    const user = await checked(call, username, password);
    if (!user) return null;
    const sessionId = newId();
    return {
      userId: user.id,
      passwordHash: user.passwordHash,
      sessionId,
      ...(await signSession(services, sessionId, user.id)),
      ipAddress: call.ipAddress,
      userAgent: call.userAgent.slice(0, 255),
      replaced: await cookieSession(call),
      lastLogin: user.lastLogin,
    };
  },
  async run({ tx, now, prepared }) {
    if (!prepared) throw new InvalidCredentialsError();
    const { userId, passwordHash, token, expiresAt, lastLogin, replaced } = prepared;
    // An account disabled since the password was checked does not get in, nor a password that was changed.
    const [after] = await tx.user.updateManyAndReturn({
      where: { id: userId, enabled: true, passwordHash },
      data: { lastLogin: now },
    });
    if (!after) throw new InvalidCredentialsError();
    const { sessionId: id, ipAddress, userAgent } = prepared;
    const session = await tx.session.create({
      data: { id, userId, ipAddress, userAgent, createdAt: now, expiresAt },
    });
    const surplus = await oldestBeyond(tx, userId, MOST_SESSIONS);
    const ended = await endSessions(tx, {
      id: { in: replaced === null ? surplus : [replaced, ...surplus] },
    });
    return {
      result: {
        userId,
        expiresAt: expiresAt.toISOString(),
        mustChangePassword: after.mustChangePassword,
        token: null,
        endedSessionIds: ended.sessionIds,
      },
      once: { token },
      changed: [
        { type: 'User', id: userId, before: { ...after, lastLogin }, after },
        // The entry of the user tells of it.
        { type: 'Session', id, before: null, after: session, derived: true },
        ...ended.changed,
      ],
      actor: { userId, name: after.username, session: id },
    };
  },
  async after(call, { endedSessionIds }, prepared) {
    if (!prepared) return;
    await openSession(call.services, prepared.sessionId, prepared.userId);
    call.setSessionCookie?.(prepared.token);
    await forgetSessions(call.services, endedSessionIds);
  },
});

/** The session that the browser is in until now; null: none that we signed. */
async function cookieSession({ services, cookieToken }: Call): Promise<string | null> {
  if (!cookieToken || cookieToken.length > MAX_TOKEN) return null;
  return (await claimsOf(services, cookieToken))?.sessionId ?? null;
}

/** The user whose name and password these are; null: they are nobody's, or the account is disabled. Throws TooManyAttemptsError. */
async function checked({ services, ipAddress }: Call, name: string, password: string) {
  const attempt = await beginAttempt(services, name, ipAddress);
  try {
    const user = await services.data.db.user.findUnique({
      where: { username: name.toLowerCase() },
      select: { id: true, passwordHash: true, enabled: true, lastLogin: true },
    });
    const matches = await verifyPassword(user?.passwordHash ?? null, password);
    if (!user?.enabled || !matches) return null;
    await attempt.succeeded();
    return user;
  } catch (error) {
    await attempt.withdraw(); // what failed is ours
    throw error;
  }
}

async function oldestBeyond(tx: Tx, userId: string, most: number): Promise<string[]> {
  const surplus = await tx.session.findMany({
    where: { userId },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    skip: most,
    select: { id: true },
  });
  return surplus.map(({ id }) => id);
}

export const logout = defineCommand({
  name: 'user.logout',
  resourceType: 'User',
  permission: 'user:read',
  beforePasswordChange: true,
  input: z.object({}),
  errors: [],
  unlocked: 'it deletes the own session; who signs out shall not need etcd',
  async run({ tx, viewer }) {
    const own = viewer.userId && { id: viewer.credentialId, userId: viewer.userId };
    const { changed, sessionIds } = own
      ? await endSessions(tx, own)
      : { changed: [], sessionIds: [] };
    return { result: { sessionIds }, changed };
  },
  async after(call, { sessionIds }) {
    await forgetSessions(call.services, sessionIds);
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
    mustChangePassword: optional(z.boolean()),
  }),
  errors: [AlreadyExistsError],
  lock: ({ username }) => [nameLock(UserEntity, username)],
  label: (input) => input.username,
  async prepare(_call, { password, username: name, email: address }) {
    await requireUnguessable(password, [name, address], ['password']);
    return hashPassword(password);
  },
  async run({ tx, newId: id, now, prepared }, { password: _, mustChangePassword, ...fields }) {
    const after = await tx.user.create({
      data: {
        id: id(),
        ...fields,
        passwordHash: prepared,
        mustChangePassword: mustChangePassword ?? true,
        passwordChangedAt: now,
      },
    });
    return {
      result: { userId: after.id },
      changed: [{ type: 'User', id: after.id, before: null, after }],
    };
  },
});
