/** Reads the program's files the way its rules look at them: imports, and code without comments and strings. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** From the repository's root, e.g. "src/core/command.ts". */
  readonly path: string;
  readonly lines: number;
  /** What it imports in any way: a path like its own, or a package's name. */
  readonly imports: readonly string[];
  /** The text with comments and the contents of quoted strings blanked; template literals stay, for code stands in them. */
  readonly code: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Generated code is nobody's to shape. */
const GENERATED = ['src/gen/', 'test/gen/'];

const TOKEN =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
const IMPORT = /\b(?:from|import|require)\s*\(?\s*(?:'([^'\n]+)'|"([^"\n]+)"|`([^`$]+)`)/g;

const isComment = (token: string): boolean => token.startsWith('/');

export function parseSource(path: string, text: string): SourceFile {
  const bare = text.replace(TOKEN, (token) => (isComment(token) ? ' ' : token));
  const imports = [...bare.matchAll(IMPORT)].map((match) =>
    resolve(path, match[1] ?? match[2] ?? match[3] ?? ''),
  );
  const code = text.replace(TOKEN, (token) =>
    isComment(token) ? ' ' : token.startsWith('`') ? token : "''",
  );
  return { path, imports, code, lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0) };
}

function resolve(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
}

/** Every TypeScript file below `folder` that people write. */
export function readSources(folder: 'src' | 'test'): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => posix.join(entry.parentPath.slice(ROOT.length), entry.name))
    .filter((path) => !GENERATED.some((prefix) => path.startsWith(prefix)))
    .sort()
    .map((path) => parseSource(path, readFileSync(join(ROOT, path), 'utf8')));
}
