/** Which archives go. Pure: the folder and the clock are the caller's. */
import type { Archive } from './archive.js';

const DAY_MS = 86_400_000;

export interface Kept {
  readonly days: number;
  readonly count: number;
}

/** Restored once, and all was there. */
export const isGood = ({ proof }: Pick<Archive, 'proof'>): boolean => proof?.failure === null;

/**
 * @param archives newest first
 * @returns those that are too old or too many, never the newest good one. Archives that are not good do not push out good ones.
 */
export function outdated<A extends Pick<Archive, 'manifest' | 'proof'>>(
  archives: readonly A[],
  kept: Kept,
  now: Date,
): A[] {
  const newestGood = archives.find(isGood);
  const counts = { good: 0, other: 0 };
  return archives.filter((archive) => {
    const nth = ++counts[isGood(archive) ? 'good' : 'other'];
    if (archive === newestGood) return false;
    const age = now.getTime() - Date.parse(archive.manifest.createdAt);
    return age > kept.days * DAY_MS || nth > kept.count;
  });
}
