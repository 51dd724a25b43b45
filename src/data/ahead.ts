/** For a start that has other things to load first: what a database in memory is made of is unpacked and compiled beside that, on other threads. */
import { findPrepared } from './prepared-file.js';
import { wasmModule } from './wasm.js';

let found: Promise<Buffer | undefined> | undefined;

/** For the next `openMemory` of this process that is told no folder. */
export function beginMemory(): void {
  found ??= findPrepared();
  for (const work of [found, wasmModule()]) work.catch(() => {}); // told when it is opened
}

/** Once; undefined when nobody has begun, or there is nothing prepared. */
export function takeBegun(): Promise<Buffer | undefined> | undefined {
  const taken = found;
  found = undefined;
  return taken;
}
