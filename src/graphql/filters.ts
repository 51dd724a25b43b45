/** The kinds of filters that lists may declare: each has its input type and its translation to a condition. */
import type { EnumRef } from '@pothos/core';
import type { Viewer } from '../core/authz.js';
import { findEntity } from '../core/entity.js';
import { findUncleanText, UNCLEAN_TEXT } from '../core/text.js';
import { BadRequestError, withArticle } from '../errors.js';
import { builder } from './builder.js';
import { type Column, isStorableTime } from './column.js';
import { uuidOf } from './node.js';

type Where = Record<string, unknown>;

export interface Filter {
  /** The input type, made when the schema is built. */
  readonly type: () => unknown;
  /**
   * The condition for what the caller sent; `path` is for error messages.
   * It must be true or false for every row, never unknown, or `not` would lose rows whose column is null.
   */
  readonly where: (
    column: string,
    value: never,
    path: readonly string[],
    about?: FilterContext,
  ) => Where;
  /** The column, where it is not called like the filter. */
  readonly column?: string;
  /** A type whose rows have a say, because what the viewer may not see there is not found here. */
  readonly touches?: string;
  /** True: what it finds changes without a write that anybody is told of, so that no answer to it may be kept. */
  readonly uncacheable?: boolean;
}

/** Who filters, and by what column; absent where a condition depends on neither. */
export interface FilterContext {
  readonly viewer: Viewer;
  readonly column: Column;
}

/** True for no row. Said so, because Prisma takes an empty OR, and NOT of nothing, for no condition at all. */
export const NONE: Where = { id: { in: [] } };

const MAX_LIST = 100;

/** The values of an `in`, if they are not too many. Throws BadRequestError. */
export function capped<T>(values: readonly T[], path: readonly string[]): readonly T[] {
  if (values.length > MAX_LIST)
    throw new BadRequestError(`At most ${MAX_LIST} values, not ${values.length}.`, path);
  return values;
}

/** LIKE's own characters are taken literally: a search for "50%" finds "50%". */
const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&');

const TextFilter = builder.inputType('TextFilter', {
  description: 'Conditions on a text; all that are given must hold.',
  fields: (t) => ({
    eq: t.string({ description: 'Exactly this.' }),
    in: t.stringList({ description: `One of these, at most ${MAX_LIST}.` }),
    contains: t.string({ description: 'Contains this, whatever the case.' }),
    startsWith: t.string({ description: 'Begins with this, whatever the case.' }),
  }),
});

/** A text column. */
export function text(column?: string): Filter {
  return {
    ...(column ? { column } : {}),
    type: () => TextFilter,
    where(
      name,
      value: { eq?: string; in?: string[]; contains?: string; startsWith?: string },
      path,
      about,
    ) {
      if (findUncleanText(value)) throw new BadRequestError(UNCLEAN_TEXT, path);
      const conditions = [
        value.eq != null && { equals: value.eq },
        value.in != null && { in: capped(value.in, path) },
        value.contains != null && { contains: escapeLike(value.contains), mode: 'insensitive' },
        value.startsWith != null && {
          startsWith: escapeLike(value.startsWith),
          mode: 'insensitive',
        },
      ];
      return all(name, conditions, about?.column.nullable);
    },
  };
}

const IPAddressFilter = builder.inputType('IPAddressFilter', {
  description: 'Conditions on an IP address; all that are given must hold.',
  fields: (t) => ({
    eq: t.field({ type: 'IPAddress', description: 'This address.' }),
    in: t.field({
      type: ['IPAddress'],
      description: `One of these addresses, at most ${MAX_LIST}.`,
    }),
  }),
});

/** A column with an address. */
export function address(column?: string): Filter {
  return {
    ...(column ? { column } : {}),
    type: () => IPAddressFilter,
    where(name, value: { eq?: string; in?: string[] }, path, about) {
      const conditions = [
        value.eq != null && { equals: value.eq },
        value.in != null && { in: capped(value.in, path) },
      ];
      return all(name, conditions, about?.column.nullable);
    },
  };
}

const IdFilter = builder.inputType('IdFilter', {
  description: 'Conditions on a reference.',
  fields: (t) => ({
    eq: t.id({ description: 'This object.' }),
    in: t.idList({ description: `One of these objects, at most ${MAX_LIST}.` }),
    isNull: t.boolean({ description: 'True: no object; false: any object.' }),
  }),
});

/** A foreign key to an entity. */
export function ref(column: string, type: string): Filter {
  return {
    column,
    touches: type,
    type: () => IdFilter,
    where(name, value: { eq?: string; in?: string[]; isNull?: boolean }, path, about) {
      const nullable = about?.column.nullable ?? true;
      const given = [value.eq != null && [value.eq], value.in != null && capped(value.in, path)];
      const among = given
        .filter((list) => list !== false)
        .map((list) => ({ in: list.map((id) => uuidOf(type, id, path)) }));
      const conditions = [all(name, among, nullable)];
      if (among.length > 0 && about) conditions.push(...visibleEnd(type, name, about));
      if (value.isNull != null) {
        // a column that cannot be null must not be asked
        if (nullable) conditions.push({ [name]: value.isNull ? null : { not: null } });
        else if (value.isNull) conditions.push(NONE);
      }
      return { AND: conditions };
    },
  };
}

/**
 * References kept in rows of a join table: it refers to one of these objects; `isNull`: to none.
 * @param relation leads to those rows, `end` from there to the object, `column` is the foreign key there
 */
export function refThrough(relation: string, end: string, column: string, type: string): Filter {
  return {
    column: relation,
    touches: type,
    type: () => IdFilter,
    where(_name, value: { eq?: string; in?: string[]; isNull?: boolean }, path, about) {
      const seen = about ? (findEntity(type)?.visibility.where(about.viewer) ?? {}) : {};
      const ends = Object.keys(seen).length > 0 ? { [end]: seen } : {};
      const given = [value.eq != null && [value.eq], value.in != null && capped(value.in, path)];
      const conditions: Where[] = given
        .filter((list) => list !== false)
        .map((list) => list.map((id) => uuidOf(type, id, path)))
        .map((ids) => ({ [relation]: { some: { [column]: { in: ids }, ...ends } } }));
      if (value.isNull != null)
        conditions.push({ [relation]: value.isNull ? { none: ends } : { some: ends } });
      return { AND: conditions };
    },
  };
}

/** What the viewer may not see does not exist: no id finds a reference to it, in rows that the viewer does see. */
function visibleEnd(
  type: string,
  column: string,
  { viewer, column: facts }: FilterContext,
): Where[] {
  const seen = findEntity(type)?.visibility.where(viewer) ?? {};
  const keys = Object.keys(seen);
  if (keys.length === 0) return [];
  // by id alone: the foreign key tells, without a join
  if (keys.length === 1 && keys[0] === 'id') return [{ [column]: seen.id }];
  return facts.relation ? [{ [facts.relation]: { is: seen } }] : [NONE];
}

// biome-ignore lint/suspicious/noExplicitAny: any enum type
type AnyEnum = EnumRef<any, any, any>;
const enumFilters = new Map<string, unknown>();

/** A column of an enumeration. `toWhere`: for values that are not stored as such. */
export function oneOf(
  name: string,
  type: AnyEnum,
  toWhere?: (values: readonly string[]) => Where,
): Filter {
  return {
    type() {
      const known = enumFilters.get(name);
      if (known) return known;
      const made = builder.inputType(`${name}Filter`, {
        description: `Conditions on ${withArticle(name)}.`,
        fields: (t) => ({
          eq: t.field({ type, description: 'This value.' }),
          in: t.field({ type: [type], description: 'One of these values.' }),
        }),
      });
      enumFilters.set(name, made);
      return made;
    },
    where(column, value: { eq?: string; in?: string[] }, path) {
      const lists = [value.eq != null && [value.eq], value.in != null && capped(value.in, path)];
      const conditions = lists
        .filter((list) => list !== false)
        .map((list) => (toWhere ? toWhere(list) : { [column]: { in: list } }));
      return { AND: conditions };
    },
  };
}

/** A yes-or-no column. */
export function flag(column?: string): Filter {
  return {
    ...(column ? { column } : {}),
    type: () => 'Boolean',
    where: (name, value: boolean) => ({ [name]: value }),
  };
}

const ranges = {
  DateTime: rangeInput('DateTime', 'Conditions on a moment.'),
  Int: rangeInput('Int', 'Conditions on a number.'),
  BigInt: rangeInput('BigInt', 'Conditions on a large number.'),
} as const;

function rangeInput(scalar: 'DateTime' | 'Int' | 'BigInt', description: string) {
  return builder.inputType(`${scalar}Filter`, {
    description,
    fields: (t) => ({
      gte: t.field({ type: scalar, description: 'This or more.' }),
      gt: t.field({ type: scalar, description: 'More than this.' }),
      lte: t.field({ type: scalar, description: 'This or less.' }),
      lt: t.field({ type: scalar, description: 'Less than this.' }),
    }),
  });
}

/** A column with an order: moments and numbers. */
export function range(scalar: keyof typeof ranges = 'DateTime', column?: string): Filter {
  return {
    ...(column ? { column } : {}),
    type: () => ranges[scalar],
    where(name, value: Record<string, unknown>, path, about) {
      const bounds = Object.entries(value).filter(([, bound]) => bound != null);
      for (const [, bound] of bounds) {
        if (bound instanceof Date && !isStorableTime(bound.getTime()))
          throw new BadRequestError('The year must be from 1 to 9999, in UTC.', path);
      }
      const conditions = bounds.map(([operator, bound]) => ({ [operator]: bound }));
      return all(name, conditions, about?.column.nullable);
    },
  };
}

/** All of the conditions; a row whose column is null meets none. */
function all(column: string, conditions: readonly (Where | false)[], nullable = false): Where {
  const known = nullable ? { not: null } : {};
  return {
    AND: conditions
      .filter((c) => c !== false)
      .map((condition) => ({ [column]: { ...condition, ...known } })),
  };
}
