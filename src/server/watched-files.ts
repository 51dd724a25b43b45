/** Files that somebody may replace while the program runs: certificates, lists of documents. */
import { statSync } from 'node:fs';

/** Looked at, not waited for: what tells of changes is different on each system, and misses those of a folder that is mounted anew. */
const LOOK_MS = 1_000;

/** Calls `changed` after any of the files has become another one; not for one that is gone. Returns how to stop. */
export function watchFiles(paths: readonly string[], changed: () => void): () => void {
  let known = paths.map(mark);
  const timer = setInterval(() => {
    const now = paths.map(mark);
    if (now.includes(null) || now.join() === known.join()) return;
    known = now;
    changed();
  }, LOOK_MS).unref();
  return () => clearInterval(timer);
}

function mark(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : null;
}
