/** Last step of the build: makes the prepared in-memory database, so that no start has to wait for it. */
import { openMemory } from '../data/memory.js';

const started = Date.now();
const data = await openMemory();
await data.close();
console.log(`in-memory database prepared in ${Date.now() - started} ms`);
