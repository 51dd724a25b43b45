/** What differs between two JSON values, field by field. */
import type { Json } from './json.js';

export interface FieldChange {
  /** From the outside in; of a list, the positions. */
  readonly path: readonly string[];
  /** Null: it was not there, or was null. */
  readonly before: Json;
  readonly after: Json;
}

/** Beyond that a value is told as a whole. */
const MAX_DEPTH = 10;
/** More than that nobody reads; the entry's details have all. */
export const MAX_CHANGES = 200;

/** The first MAX_CHANGES of them. What is there on one side only is told as a whole. */
export function changesBetween(before: Json, after: Json): FieldChange[] {
  const changes: FieldChange[] = [];
  visit(before, after, []);
  return changes;

  function visit(was: Json, is: Json, path: readonly string[]): void {
    if (changes.length >= MAX_CHANGES) return;
    if (
      !isComposite(was) ||
      !isComposite(is) ||
      Array.isArray(was) !== Array.isArray(is) ||
      path.length >= MAX_DEPTH
    ) {
      if (JSON.stringify(was) !== JSON.stringify(is))
        changes.push({ path, before: was, after: is });
      return;
    }
    const [a, b] = [new Map(Object.entries(was)), new Map(Object.entries(is))];
    for (const key of new Set([...a.keys(), ...b.keys()]))
      visit(a.get(key) ?? null, b.get(key) ?? null, [...path, key]);
  }
}

const isComposite = (value: Json): value is Json[] | { [key: string]: Json } =>
  typeof value === 'object' && value !== null;
