/**
 * A declared list: data that says what may be filtered and ordered, and nothing about how it is run.
 * `connection.ts` runs it through Prisma; another executor could compile the same declaration to SQL.
 */
import type { Entity } from '../core/entity.js';
import type { Filter } from './filters.js';

export interface ListSpec {
  readonly filter: Readonly<Record<string, Filter>>;
  /** API name -> column. Columns are NOT NULL and indexed together with id, which breaks ties. The first is the default. */
  readonly order: Readonly<Record<string, string>>;
  /** Direction when the caller names none. */
  readonly defaultDirection?: 'ASC' | 'DESC';
}

export interface List extends Required<ListSpec> {
  readonly entity: Entity;
}

/** Declares the list of an entity: one for each entity, used at the root and in every relation. */
export function declareList(entity: Entity, spec: ListSpec): List {
  return { defaultDirection: 'ASC', ...spec, entity };
}
