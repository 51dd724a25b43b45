/** What is looked at on an appliance: whether its files are as they were, and in which order it said things. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** Every file of a folder by what is in it; where nothing has changed, nothing here has. */
export function digests(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const file = join(folder, name);
    const stat = lstatSync(file);
    const { mode, uid, gid, mtimeMs } = stat;
    const content = stat.isFile() ? readFileSync(file) : '';
    const digest = createHash('sha256').update(content).digest('hex');
    found[name] = [digest, mode, uid, gid, mtimeMs].join(' ');
  }
  return found;
}

/** Each of these words is there, and after the one before it. */
export function inOrder(text: string, said: readonly string[]): void {
  const places = said.map((words) => text.indexOf(words));
  expect(Math.min(...places), text).toBeGreaterThan(-1);
  expect(places, text).toEqual([...places].sort((a, b) => a - b));
}
