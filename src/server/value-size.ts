/** How large values may be that come with a request: those of variables, and those written into a document. */
import { type DocumentNode, visit } from 'graphql';
import type { Config } from '../config/model.js';

type Bounds = Pick<Config['limits'], 'maxListItems' | 'maxTextLength'>;

/** Whatever walks through variables does so recursively: deeper ones would exhaust the stack. */
export const MAX_VALUE_DEPTH = 64;

/** Why these variables are not taken, or null. Level by level, for a recursive function would be what it is to prevent. */
export function findTooLarge(variables: unknown, bounds: Bounds): string | null {
  let level: unknown[] = [variables];
  for (let depth = 0; depth <= MAX_VALUE_DEPTH; depth += 1) {
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item === 'string' && item.length > bounds.maxTextLength) return tooLong(bounds);
      if (typeof item !== 'object' || item === null) continue;
      const parts = Object.values(item);
      // The variables themselves are no value: a bulk request may well have many.
      if (depth > 0 && parts.length > bounds.maxListItems) return tooMany(bounds);
      for (const part of parts) next.push(part);
    }
    if (next.length === 0) return null;
    level = next;
  }
  return `The variables are nested more than ${MAX_VALUE_DEPTH} deep.`;
}

/** The same for what is written into the document: its nesting is bounded by its tokens. */
export function findTooLargeLiteral(document: DocumentNode, bounds: Bounds): string | null {
  let fault: string | null = null;
  visit(document, {
    StringValue({ value }) {
      if (value.length > bounds.maxTextLength) fault = tooLong(bounds);
    },
    ListValue({ values }) {
      if (values.length > bounds.maxListItems) fault = tooMany(bounds);
    },
  });
  return fault;
}

const tooLong = ({ maxTextLength }: Bounds): string =>
  `A text has more than ${maxTextLength} characters.`;

const tooMany = ({ maxListItems }: Bounds): string =>
  `A list has more than ${maxListItems} items, or an object so many keys. Send several requests.`;
