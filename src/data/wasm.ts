/** PGlite's WebAssembly, compiled once for all databases of this process: each further one then opens faster. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The type library of Node.js 20 does not know it. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { compile(code: Uint8Array): Promise<object> };
};

let compiled: Promise<object> | undefined;

export function wasmModule(): Promise<object> {
  compiled ??= (async () => {
    const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
    return WebAssembly.compile(await readFile(join(dirname(entry), 'pglite.wasm')));
  })();
  return compiled;
}
