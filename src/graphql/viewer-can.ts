/**
 * `viewerCanUpdate`, `viewerCanDelete` ...: what the caller may do to an object, so that a console need not guess.
 * The gate's own question about the row's project, which is read along with the row; whether the object's state allows it is another one.
 */
import { may, type Permission } from '../core/authz.js';
import type { Entity } from '../core/entity.js';
import { builder } from './builder.js';

const made = new Map<string, ReadonlyMap<string, Permission>>();

/** The fields of each type with the permission that each asks for. */
export const viewerCanFields = (): ReadonlyMap<string, ReadonlyMap<string, Permission>> => made;

/**
 * Gives the entity's type one field for each verb, e.g. `{ Power: 'vm:power' }` makes `viewerCanPower`.
 * @param ref of the entity's type
 */
export function viewerCan(
  // biome-ignore lint/suspicious/noExplicitAny: one helper for the types of all models
  ref: any,
  entity: Entity,
  verbs: Readonly<Record<string, Permission>>,
): void {
  const { projectColumn } = entity;
  const fields = new Map(
    Object.entries(verbs).map(([verb, permission]) => [`viewerCan${verb}`, permission]),
  );
  made.set(entity.type, fields);
  for (const [name, permission] of fields) {
    builder.prismaObjectField(ref as never, name as never, (t) =>
      t.boolean({
        description: `Whether you have the permission ${permission} here.`,
        select: { [projectColumn ?? 'id']: true } as never,
        resolve: (row: unknown, _args, { viewer }) => {
          const project = projectColumn && (row as Record<string, unknown>)[projectColumn];
          return viewer !== null && may(viewer, permission, project ? String(project) : null);
        },
      }),
    );
  }
}
