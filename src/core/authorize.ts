/** The gate's question: may this viewer do this to that? Hidden is NotFound; visible but not permitted is Forbidden. */
import type { z } from 'zod';
import { ForbiddenError } from '../errors.js';
import { type Subject, subjectOf } from './audit.js';
import { isAgent, lackOf, type Permission, type Viewer } from './authz.js';
import type { Command } from './command.js';
import type { Call } from './context.js';
import { requireVisible } from './entity.js';

/** @returns what the command is about, for the audit; `fallback` when it is about nothing that exists yet. Throws NotFoundError. */
export async function findSubject<I extends z.ZodType>(
  command: Command<I>,
  input: z.output<I>,
  call: Call,
  viewer: Viewer,
  fallback: Subject,
): Promise<Subject> {
  const target = command.subject?.(input);
  if (!target) return fallback;
  const { entity, id, path = ['id'] } = target;
  const select = {
    id: true,
    [entity.label]: true,
    ...(entity.projectColumn ? { [entity.projectColumn]: true } : {}),
  };
  // An agent sees nothing through the graph, and of all objects knows one: its own node.
  const own = isAgent(viewer) && entity.type === 'HypervisorNode' && id === viewer.id;
  const row = own
    ? { id, [entity.label]: viewer.name }
    : await requireVisible(call.services.data.db, entity, viewer, id, select, path);
  return subjectOf({ type: entity.type, id, before: row, after: row });
}

/** A step of its own, after the subject is known: the entry of a refusal must name it, and its project must find the entry. */
export function requirePermission(command: Command, viewer: Viewer, subject: Subject): void {
  const { permission } = command;
  if (!permission) return;
  // A write that asks for no more than reading is about how the caller is signed in: a token has no business there, with whatever scope.
  if (viewer.scope && permission.endsWith(':read')) throw new ForbiddenError(permission, 'SESSION');
  requireMay(viewer, permission, subject.projectId);
}

/** Throws ForbiddenError, which says what is missing. */
export function requireMay(viewer: Viewer, permission: Permission, projectId: string | null): void {
  const lack = lackOf(viewer, permission, projectId);
  if (lack !== null) throw new ForbiddenError(permission, lack);
}
