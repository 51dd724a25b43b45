/** `filter: { and, or, not, <declared fields> }` of a list: its input type, and its translation to a condition, with caps. */
import type { InputRef } from '@pothos/core';
import type { Viewer } from '../core/authz.js';
import { BadRequestError, withArticle } from '../errors.js';
import { builder } from './builder.js';
import { columnOf } from './column.js';
import { NONE } from './filters.js';
import type { List } from './list.js';

type Where = Record<string, unknown>;
export type FilterValue = {
  and?: FilterValue[] | null;
  or?: FilterValue[] | null;
  not?: FilterValue | null;
} & Record<string, unknown>;

const MAX_DEPTH = 5;
const MAX_CONDITIONS = 50;

const inputs = new Map<string, InputRef<FilterValue>>();

/** One input type for each list, however many fields use it. */
export function filterInput(list: List): InputRef<FilterValue> {
  const { type } = list.entity;
  const known = inputs.get(type);
  if (known) return known;
  const made = builder.inputRef<FilterValue>(`${type}Filter`);
  inputs.set(type, made);
  made.implement({
    description: `Conditions on ${withArticle(type)}; all that are given must hold.`,
    fields: (t) =>
      ({
        and: t.field({ type: [made], description: 'All of these.' }),
        or: t.field({ type: [made], description: 'At least one of these.' }),
        not: t.field({ type: made, description: 'Not this.' }),
        ...Object.fromEntries(
          Object.entries(list.filter).map(([field, filter]) => [
            field,
            t.field({
              type: filter.type() as never,
              description: `Conditions on \`${field}\`.`,
              extensions: { touches: filter.touches, uncacheable: filter.uncacheable },
            }),
          ]),
        ),
      }) as never,
  });
  return made;
}

/** The condition for a filter. Throws BadRequestError when it is nested or sized beyond the caps. */
export function filterWhere(
  list: List,
  value: FilterValue | null | undefined,
  viewer: Viewer,
): Where {
  let left = MAX_CONDITIONS;
  const spend = (path: readonly string[]): void => {
    left -= 1;
    if (left < 0)
      throw new BadRequestError(`A filter may have ${MAX_CONDITIONS} conditions at most.`, path);
  };

  function visit(filter: FilterValue, path: readonly string[], depth: number): Where {
    if (depth > MAX_DEPTH)
      throw new BadRequestError(`A filter may be nested ${MAX_DEPTH} deep at most.`, path);
    const conditions: Where[] = [];
    for (const [field, given] of Object.entries(filter)) {
      if (given === null || given === undefined) continue;
      const here = [...path, field];
      spend(here);
      if (field === 'and' || field === 'or') {
        const parts = (given as FilterValue[]).map((part, i) => {
          spend(here);
          return visit(part, [...here, String(i)], depth + 1);
        });
        conditions.push(field === 'and' ? { AND: parts } : anyOf(parts));
      } else if (field === 'not') {
        conditions.push(negation(visit(given as FilterValue, here, depth + 1)));
      } else {
        const declared = list.filter[field];
        if (!declared) continue;
        const name = declared.column ?? field;
        const about = { viewer, column: columnOf(list.entity, name) };
        conditions.push(declared.where(name, given as never, here, about));
      }
    }
    return { AND: conditions };
  }

  return value ? visit(value, ['filter'], 1) : {};
}

/** Whether a condition holds for every row, because it asks for nothing. */
export function asksNothing(where: Where): boolean {
  return Object.entries(where).every(
    ([key, parts]) => key === 'AND' && (parts as Where[]).every(asksNothing),
  );
}

function anyOf(parts: readonly Where[]): Where {
  if (parts.length === 0) return NONE;
  return parts.some(asksNothing) ? {} : { OR: parts };
}

function negation(where: Where): Where {
  return asksNothing(where) ? NONE : { NOT: where };
}
