/**
 * The kinds of setting there are: what each accepts, and how that is put into words.
 *
 * Every source speaks text (a YAML scalar as it was typed, an environment variable, a flag), so one
 * schema reads a setting wherever it comes from. `expects` completes the sentence "expected ...":
 * it is in the faults, in the comments of config.yaml and in the reference.
 */
import { z } from 'zod';
import { isHost } from './address.js';
import { parseBytes, parseDuration } from './duration.js';

/** A value as its source has it. A list stays a list when YAML wrote one. */
export type Raw = string | readonly string[];

export type KeyKind =
  | 'text'
  | 'integer'
  | 'ratio'
  | 'choice'
  | 'list'
  | 'duration'
  | 'bytes'
  | 'secret'
  | 'secretFile'
  | 'file';

export type Key<Kind extends KeyKind = KeyKind, Value = unknown> = {
  readonly kind: Kind;
  /** Reads a `Raw`; gives milliseconds for durations, bytes for sizes. */
  readonly schema: z.ZodType<Value>;
  /** The default as one would write it; null where "none" is the default, and then `example` shows the form. */
  readonly initial: Raw | null;
  readonly example: string | null;
  readonly expects: string;
  /** What one of it is; null where the value carries its own unit or has none. */
  readonly unit: string | null;
  /** The value must never be shown. */
  readonly secret: boolean;
  /** Least length of what a `secretFile` holds. */
  readonly minBytes: number;
  /** A `secretFile` of commands that root gives: a process that may not read it, such as the service, goes without. */
  readonly forRoot: boolean;
  /** Can be changed for all instances at once while they run: whoever reads it must read it each time that it is used. */
  readonly shared: boolean;
  /** The least and the greatest value, as one would write them; null where there is none. */
  readonly min: string | null;
  readonly max: string | null;
  /** What can be chosen from; empty for all other kinds. */
  readonly choices: readonly string[];
  readonly description: string;
};

type About = { description: string };
/** For kinds that can be a setting of all instances: no secrets, no files. */
type Shareable = { shared?: true };
type WithDefault = About & { default: string };
type Range<Bound> = { min: Bound; max: Bound };

const plain = {
  example: null,
  unit: null,
  secret: false,
  minBytes: 1,
  forRoot: false,
  shared: false,
  min: null,
  max: null,
  choices: [],
} as const;

/** A text that `accepts` takes. */
export function text(
  options: WithDefault & { expects: string; accepts: (text: string) => boolean },
): Key<'text', string> {
  const { default: initial, expects, accepts, description } = options;
  return {
    ...plain,
    kind: 'text',
    schema: z.string().refine(accepts),
    initial,
    expects,
    description,
  };
}

/** A host to listen on or to connect to. `socket` also takes the folder of a Unix socket. */
export function host(options: WithDefault & { socket?: boolean }): Key<'text', string> {
  const socket = options.socket === true;
  return text({
    ...options,
    expects: `a host name or IP address without port${socket ? ', or the folder of a Unix socket' : ''}`,
    accepts: (value) => isHost(value) || (socket && /^\/[^\0]*$/.test(value)),
  });
}

/** The name of something in a database server: its 63 byte limit, and nothing invisible. */
export function identifier(options: WithDefault): Key<'text', string> {
  return text({
    ...options,
    expects: 'a name of 1 to 63 bytes',
    accepts: (value) => /^[^\p{C}]+$/u.test(value) && Buffer.byteLength(value) <= 63,
  });
}

/** The same, where none is the default. */
export function optionalIdentifier(
  options: About & { example: string },
): Key<'text', string | null> {
  return { ...identifier({ ...options, default: options.example }), ...options, initial: null };
}

export function integer(
  options: About & Shareable & Range<number> & { default: number; unit?: string },
): Key<'integer', number> {
  const { min, max, description, unit = null, shared = false } = options;
  return {
    ...plain,
    kind: 'integer',
    shared,
    min: String(min),
    max: String(max),
    schema: z
      .string()
      .regex(/^-?\d{1,15}$/)
      .transform(Number)
      .pipe(z.int().min(min).max(max)),
    initial: String(options.default),
    expects: `an integer from ${min} to ${max}`,
    unit,
    description,
  };
}

/** A factor with a decimal point, such as an overcommit ratio. */
export function ratio(
  options: WithDefault & Shareable & Range<number> & { unit: string },
): Key<'ratio', number> {
  const { min, max, description, unit, shared = false } = options;
  return {
    ...plain,
    kind: 'ratio',
    shared,
    min: String(min),
    max: String(max),
    schema: z
      .string()
      .regex(/^\d{1,9}(\.\d{1,9})?$/)
      .transform(Number)
      .pipe(z.number().min(min).max(max)),
    initial: options.default,
    expects: `a number from ${min} to ${max}`,
    unit,
    description,
  };
}

export function choice<const Values extends readonly [string, ...string[]]>(
  values: Values,
  options: About & Shareable & { default: Values[number] },
): Key<'choice', Values[number]> {
  return {
    ...plain,
    kind: 'choice',
    shared: options.shared ?? false,
    choices: values,
    schema: z.enum(values),
    initial: options.default,
    expects: `one of ${values.join(', ')}`,
    description: options.description,
  };
}

/** A YAML list, or one text with commas between the items. */
export function list(
  options: About & {
    default: readonly string[];
    each: string;
    accepts: (item: string) => boolean;
    minItems?: number;
  },
): Key<'list', readonly string[]> {
  const { default: initial, each, accepts, minItems = 0, description } = options;
  return {
    ...plain,
    kind: 'list',
    schema: z.preprocess(split, z.array(z.string().refine(accepts)).min(minItems)),
    initial,
    expects: `a list of ${each}${minItems > 0 ? ` (at least ${minItems})` : ''}`,
    description,
  };
}

// Node's timers hold at most 2^31 - 1 ms; a longer wait would end at once. 596h is the last whole hour.
const LONGEST_TIMER = '596h';

/** A length of time. Its default longest value is what a timer can hold; longer ones are for ages only. */
export function duration(
  options: WithDefault & Shareable & Partial<Range<string>>,
): Key<'duration', number> {
  const { min = '1ms', max = LONGEST_TIMER, description, default: initial } = options;
  return {
    ...plain,
    kind: 'duration',
    shared: options.shared ?? false,
    min,
    max,
    schema: amount(parseDuration, min, max),
    initial,
    expects: `a duration such as 10m, from ${min} to ${max}`,
    description,
  };
}

/** A number of bytes. */
export function bytes(options: WithDefault & Shareable & Range<string>): Key<'bytes', number> {
  const { min, max, description, default: initial } = options;
  return {
    ...plain,
    kind: 'bytes',
    shared: options.shared ?? false,
    min,
    max,
    schema: amount(parseBytes, min, max),
    initial,
    expects: `a size such as 256KiB, from ${min} to ${max}`,
    description,
  };
}

/** A secret written into the configuration itself. */
export function secret(options: About & { example: string }): Key<'secret', string | null> {
  return {
    ...plain,
    ...options,
    kind: 'secret',
    // A YAML block (`|`) ends with a line end that nobody means to be part of a password.
    schema: z
      .string()
      .transform(trimLineEnds)
      .pipe(z.string().regex(/^[^\0]+$/)),
    initial: null,
    expects: 'text',
    secret: true,
  };
}

/** A file that holds a secret: `password_file` gives `password`. The path is no secret, but is never shown either. */
export function secretFile(
  options: About & { example: string; minBytes?: number; forRoot?: true },
): Key<'secretFile', string | null> {
  return { ...path(options), kind: 'secretFile' };
}

/** A file that something else reads; loading only proves that it can be read. */
export function file(options: About & { example: string }): Key<'file', string | null> {
  return { ...path(options), kind: 'file' };
}

function path(options: About & { example: string }) {
  return {
    ...plain,
    ...options,
    schema: z.string().regex(/^[^\0]+$/) as z.ZodType<string | null>,
    initial: null,
    expects: 'the path of a file',
  };
}

function amount(parse: (text: string) => number | null, min: string, max: string) {
  const read = z.string().transform((written, context) => {
    const value = parse(written);
    if (value !== null) return value;
    context.addIssue({ code: 'custom' });
    return z.NEVER;
  });
  return read.pipe(
    z
      .int()
      .min(parse(min) ?? Number.NaN)
      .max(parse(max) ?? Number.NaN),
  );
}

/** A secret without the line ends that editors and `echo` put behind it. */
export function trimLineEnds(secret: string): string {
  let end = secret.length;
  while (end > 0 && (secret[end - 1] === '\n' || secret[end - 1] === '\r')) end -= 1;
  return secret.slice(0, end);
}

function split(raw: unknown): unknown {
  if (typeof raw !== 'string') return raw;
  return raw.trim() === '' ? [] : raw.split(',').map((item) => item.trim());
}
