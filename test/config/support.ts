/** What the configuration tests share: files in a folder of their own, and the faults of a load. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ConfigError, type ConfigFault } from '../../src/config/errors.js';
import { type ConfigFlags, loadConfig } from '../../src/config/load.js';
import type { Config } from '../../src/config/model.js';

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'quantix-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file that is gone when the test is over. Gives its path. */
export function temporaryFile(content: string | Uint8Array, name = 'config.yaml'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

/** What to load: a file's content, variables and flags. Never this machine's own file or variables. */
export type Sources = { yaml?: string; env?: NodeJS.ProcessEnv; flags?: ConfigFlags };

export function load({ yaml, env = {}, flags = {} }: Sources): Config {
  const file = yaml === undefined ? {} : { configFile: temporaryFile(yaml) };
  return loadConfig({ ...file, ...flags }, env, '/nonexistent/config.yaml');
}

/** The error of a load that must fail. */
export function failure(sources: Sources): ConfigError {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** The faults of a load that must fail, with the temporary file's name shortened to `config.yaml`. */
export function faults(sources: Sources): ConfigFault[] {
  return failure(sources).faults.map((fault) => ({
    ...fault,
    source: fault.source.replace(/^.*\/(?=config\.yaml)/, ''),
  }));
}
