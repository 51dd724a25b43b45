/** Tokens of scripts. Whoever is signed in makes them for themselves; no token makes another one (see FOR_TOKENS in core/authz.ts). */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, name, optional } from '../../core/input.js';
import { hashToken, newToken, prefixOfToken } from '../../core/tokens.js';
import type { Tx } from '../../data/client.js';
import { NotFoundError, ValidationError } from '../../errors.js';
import type { ApiToken } from '../../gen/client/client.js';
import { ProjectEntity } from '../project/queries.js';
import { ApiTokenEntity } from './queries.js';
import { checkPermissions, expiryOf } from './rules.js';

const resourceType = 'ApiToken';
/** Of one user, that count at once. */
const MAX_TOKENS = 100;
const MAX_PROJECTS = 100;
const MAX_PERMISSIONS = 100;

/** The hash is no part of what happened. */
const shown = ({ tokenHash: _, ...token }: ApiToken) => token;

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** The user's row is held from here on, so that two requests at once do not both take the last place. Throws ValidationError. */
async function requireRoom(tx: Tx, userId: string, now: Date): Promise<void> {
  await tx.$queryRaw`SELECT FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`;
  const where = { userId, revokedAt: null, expiresAt: { gt: now } };
  if ((await tx.apiToken.count({ where })) >= MAX_TOKENS)
    throw ValidationError.of([], `You have ${MAX_TOKENS} tokens that count. Revoke one first.`);
}

export const createApiToken = defineCommand({
  name: 'apiToken.create',
  resourceType,
  permission: 'token:create',
  input: z.object({
    name,
    permissions: z.array(z.string()).min(1, 'name at least one').max(MAX_PERMISSIONS),
    projectIds: optional(
      z
        .array(idOf('Project'))
        .min(1, 'name at least one, or leave it out for all projects')
        .max(MAX_PROJECTS, `at most ${MAX_PROJECTS}`),
    ),
    expiresAt: optional(z.date()),
  }),
  errors: [NotFoundError],
  unlocked: 'the own row in the users table is held in the transaction',
  label: (input) => input.name,
  async run({ tx, viewer, now, newId, services }, input) {
    const { userId } = viewer;
    if (userId === null) throw new Error('only users have tokens');
    const { name, permissions, projectIds = [] } = input;
    checkPermissions(permissions, viewer.role);
    for (const [i, id] of projectIds.entries())
      await requireVisible(tx, ProjectEntity, viewer, id, { id: true }, ['projectIds', String(i)]);
    const longest = services.config.auth.maxTokenTtlMs;
    const expiresAt = expiryOf(input.expiresAt, now, longest, 'auth.max_token_ttl');
    await requireRoom(tx, userId, now);
    const token = newToken('script');
    const after = await tx.apiToken.create({
      data: {
        id: newId(),
        name,
        userId,
        tokenHash: hashToken(token),
        prefix: prefixOfToken(token),
        scopes: unique(permissions).sort(),
        projectIds: unique(projectIds),
        expiresAt,
        createdAt: now,
      },
    });
    return {
      result: { apiTokenId: after.id, token: null as string | null },
      once: { token },
      changed: [{ type: resourceType, id: after.id, before: null, after: shown(after) }],
    };
  },
});

/** Takes effect at once, on every instance: what was made from the row is out of date with the commit. */
export const revokeApiToken = defineCommand({
  name: 'apiToken.revoke',
  resourceType,
  permission: 'token:delete',
  subject: (input: { id: string }) => ({ entity: ApiTokenEntity, id: input.id }),
  input: z.object({ id: idOf('ApiToken') }),
  errors: [],
  async run({ tx, now }, { id }) {
    const result = { apiTokenId: id };
    const [after] = await tx.apiToken.updateManyAndReturn({
      where: { id, revokedAt: null },
      data: { revokedAt: now },
    });
    if (!after) return { result, changed: [] };
    const before = { ...shown(after), revokedAt: null };
    return { result, changed: [{ type: resourceType, id, before, after: shown(after) }] };
  },
});
