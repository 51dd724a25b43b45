/** Fields and inputs that many types share, said once. */
import type { Entity } from '../core/entity.js';
import { encodeGlobalId } from '../ids.js';
import { builder } from './builder.js';
import { readEntity, uuidOf } from './node.js';

// biome-ignore-start lint/suspicious/noExplicitAny: one helper for the field builders of every type

/** `project(id)`, `cluster(id)` ...: one object by its id. */
export function rootOne(name: string, entity: Entity, what: string): void {
  builder.queryField(name, (t) =>
    t.field({
      type: entity.type as never,
      nullable: true,
      description: `One ${what}; null when it does not exist or is not visible to you.`,
      args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
      resolve: (_root, { id }, context, info) =>
        readEntity(context, info, entity, uuidOf(entity.type, id)) as never,
    }),
  );
}

/** `createdAt` and `updatedAt`. */
export function timestamps(t: any) {
  return {
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was created.' }),
    updatedAt: t.expose('updatedAt', {
      type: 'DateTime',
      description: 'When it was last changed.',
    }),
  };
}

/** `version`, `createdAt` and `updatedAt`: what every editable object has. */
export function editable(t: any) {
  return {
    version: t.exposeInt('version', {
      description: 'Rises with every edit; send it back as `expectedVersion`.',
    }),
    ...timestamps(t),
  };
}

/** `labels`, a JSON object of strings. */
export function labelsField(t: any) {
  return t.expose('labels', { type: 'JSON', description: 'Key and value pairs of your own.' });
}

/** The `expectedVersion` input of edits. */
export function expectedVersion(t: any) {
  return t.int({ description: 'Refuse when the object is not at this version any more.' });
}

/** The id input of what a mutation is about. */
export function target(t: any, what: string) {
  return t.id({ required: true, description: `The ${what}.` });
}

/** A payload field with the id of what was deleted. */
export function deletedId(t: any, type: string, key: string) {
  return t.id({
    description: 'The id that is gone.',
    resolve: ({ result }: { result: Record<string, string> }) =>
      encodeGlobalId(type, result[key] ?? ''),
  });
}
// biome-ignore-end lint/suspicious/noExplicitAny: see above
