/**
 * Writes every generated file that is committed: the API's schema, the default configuration and the reference pages.
 * With --check it writes nothing and fails when one is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedFiles as configFiles } from '../config/render.js';
import { packageRoot } from '../data/migrations.js';
import { buildSchema, printApi } from '../schema.js';
import { printLimits } from './limits-page.js';
import { HEADER, printDoctor, printErrors, printPermissions, printStates } from './reference.js';

const files: Record<string, string> = {
  'src/schema.graphql': printApi(),
  'docs/states.md': printStates(),
  'docs/permissions.md': printPermissions(),
  'docs/errors.md': printErrors(buildSchema()),
  'docs/doctor.md': printDoctor(),
  'docs/limits.md': printLimits(HEADER),
  ...configFiles(),
};

const check = process.argv.includes('--check');
const stale = Object.entries(files).filter(([path, text]) => read(path) !== text);
for (const [path, text] of stale) {
  if (check) console.error(`${path} is stale: run "npm run schema" and commit it`);
  else writeFileSync(join(packageRoot(), path), text);
}
if (!check) console.log(`${stale.length} of ${Object.keys(files).length} generated files written`);
if (check && stale.length > 0) process.exitCode = 1;

function read(path: string): string | null {
  try {
    return readFileSync(join(packageRoot(), path), 'utf8');
  } catch {
    return null;
  }
}
