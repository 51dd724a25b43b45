/** Whether a password is easy to guess: common ones, names, rows of keys, repetitions, dates, and what is made of them. */
import type { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { ValidationError } from '../../errors.js';
import { MIN_PASSWORD } from './rules.js';

/** Of 0 to 4: a hundred million guesses do not find it. */
const LEAST_SCORE = 3;
/** Time grows with the square of the length; what is random in so much is random enough. */
const MAX_LOOKED_AT = 100;
/** Characters that are in none of the words that others know. */
const LEAST_OWN = 6;
/** Words that everybody tries first here. */
const OURS = ['quantix', 'quantix-vdc', 'vdc', 'datacenter', 'hypervisor', 'controlplane'];

const WHY: Readonly<Record<string, string>> = {
  userInputs: 'it is made of the user name, the e-mail address or the name of this product',
  straightRow: 'it is a row of keys',
  keyPattern: 'it is a pattern on the keyboard',
  simpleRepeat: 'it repeats one character',
  extendedRepeat: 'it repeats itself',
  sequences: 'it is a sequence, such as abc or 123',
  recentYears: 'it is made of a year',
  dates: 'it is made of a date',
};

let factory: Promise<ZxcvbnFactory> | undefined;

/** Loaded at its first use: the lists are large, and most processes never set a password. */
async function load(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory: Factory }, { adjacencyGraphs, dictionary }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    import('@zxcvbn-ts/language-common'),
  ]);
  return new Factory({ dictionary, graphs: adjacencyGraphs, maxLength: MAX_LOOKED_AT });
}

/**
 * @param about what others know of the user: the name, the e-mail address
 * @throws ValidationError that says why
 */
export async function requireUnguessable(
  password: string,
  about: readonly string[],
  path: readonly string[],
): Promise<void> {
  factory ??= load();
  const words = [...OURS, ...about, ...about.flatMap((text) => text.split(/[^\p{L}\p{N}]+/u))];
  if (besides(password, words).length < LEAST_OWN)
    throw ValidationError.of(path, complaint(WHY.userInputs));
  const { score, feedback } = (await factory).check(
    password,
    words.filter((word) => word.length > 2),
  );
  if (score >= LEAST_SCORE) return;
  throw ValidationError.of(path, complaint(WHY[feedback.warning ?? '']));
}

const complaint = (why = 'it is like passwords that many people have'): string =>
  `is easy to guess: ${why}. Several words that have nothing to do with each other make a good one of ${MIN_PASSWORD} characters and more.`;

/** What is left of it without the words, the longest first. */
function besides(password: string, words: readonly string[]): string {
  return words
    .filter((word) => word.length > 2)
    .map((word) => word.toLowerCase())
    .sort((a, b) => b.length - a.length)
    .reduce((rest, word) => rest.replaceAll(word, ''), password.toLowerCase());
}
