/** The words for what zod finds in an input. Commands may have better ones of their own: those come first. */

import type { z } from 'zod';
import { withArticle } from '../errors.js';

type Issue = z.core.$ZodRawIssue;

const TYPES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  bigint: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

const figure = (value: unknown): string =>
  typeof value === 'number' || typeof value === 'bigint'
    ? value.toLocaleString('en-US')
    : String(value);

/** Of texts and lists: how many parts, and what those are called. */
function length(origin: string, word: string, bound: unknown, input: unknown): string {
  const parts = origin === 'string' ? 'characters' : bound === 1 ? 'entry' : 'entries';
  const has = (input as { length?: number; size?: number } | undefined) ?? {};
  return `must have ${word} ${figure(bound)} ${parts}, not ${figure(has.length ?? has.size)}`;
}

/** An error map for `safeParse`; undefined where zod's own words have to do. */
export function faultsOf(issue: Issue): string | undefined {
  const { input } = issue;
  switch (issue.code) {
    case 'too_small':
      if (['string', 'array', 'set'].includes(issue.origin))
        return issue.origin === 'string' && issue.minimum === 1
          ? 'must not be empty'
          : length(issue.origin, 'at least', issue.minimum, input);
      return issue.inclusive === false
        ? `must be more than ${figure(issue.minimum)}, not ${figure(input)}`
        : `must be ${figure(issue.minimum)} at least, not ${figure(input)}`;
    case 'too_big':
      if (['string', 'array', 'set'].includes(issue.origin))
        return length(issue.origin, 'at most', issue.maximum, input);
      return issue.inclusive === false
        ? `must be less than ${figure(issue.maximum)}, not ${figure(input)}`
        : `must be ${figure(issue.maximum)} at most, not ${figure(input)}`;
    case 'invalid_type':
      return input === undefined || input === null
        ? 'is needed'
        : `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_format':
      return `must be ${withArticle(issue.format)}`;
    case 'not_multiple_of':
      return `must be a multiple of ${figure(issue.divisor)}`;
    case 'unrecognized_keys':
      return `has fields that are not known: ${issue.keys.join(', ')}`;
    default:
      return undefined;
  }
}
