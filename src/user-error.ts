/** What all expected answers of mutations have in common; the rest is in errors.ts. */

/** An expected refusal. `message` is for people and says what would help; `code` is for programs. */
export abstract class UserError extends Error {
  /** Stable, upper case; documented in docs/errors.md. */
  abstract readonly code: string;
  /** The input field that caused it, outermost first; empty when the whole request did. */
  readonly path: readonly string[] = [];
  /** Whether the same request may succeed later without change. */
  readonly retryable: boolean = false;
}

/** `a Volume`, `an Image`: names of types begin with U where it is spoken as in "user". */
export const withArticle = (noun: string): string =>
  `${/^[AEIO]/i.test(noun) ? 'an' : 'a'} ${noun}`;
