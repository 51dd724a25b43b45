/** What is printed from the code is committed as it would be printed now: the diff of these files is the review of a change. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  printDoctor,
  printErrors,
  printPermissions,
  printStates,
} from '../../src/cli/reference.js';
import { generatedFiles } from '../../src/config/render.js';
import { buildSchema, printApi } from '../../src/schema.js';
import { root } from './schema.js';

const PRINTED: Readonly<Record<string, string>> = {
  'src/schema.graphql': printApi(),
  'docs/states.md': printStates(),
  'docs/permissions.md': printPermissions(),
  'docs/errors.md': printErrors(buildSchema()),
  'docs/doctor.md': printDoctor(),
  ...generatedFiles(),
};

describe('generated files', () => {
  it.each(Object.entries(PRINTED))('%s is fresh; else run "npm run schema"', (path, text) => {
    expect(readFileSync(join(root, path), 'utf8')).toBe(text);
  });

  it('are all the ones that are committed', () => {
    expect(Object.keys(PRINTED).sort()).toEqual([
      'docs/configuration.md',
      'docs/doctor.md',
      'docs/errors.md',
      'docs/permissions.md',
      'docs/states.md',
      'openrc/config.yaml',
      'src/schema.graphql',
    ]);
  });
});
