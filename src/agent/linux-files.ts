/** Reading the small text files in which Linux tells about itself. */
import { readdir, readFile } from 'node:fs/promises';

/** The text of a file; null when it is not there or the kernel refuses (EINVAL for the speed of a link that is down). */
export async function optionalText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** The number in a file; null when there is no file or no number in it. */
export async function optionalNumber(path: string): Promise<number | null> {
  const text = (await optionalText(path))?.trim();
  if (text === undefined || text === '') return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** The names in a folder, sorted so that 10 follows 9; empty when there is no such folder. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    const names = await readdir(path);
    return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

/** True for what the operating system refuses, false for our own mistakes. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'errno' in error;
}
