/** Where the values of a configuration come from, kept beside it. */
import type { Config } from './model.js';

const origins = new WeakMap<Config, ReadonlyMap<string, string>>();

/** @param sources by path of the setting; defaults are not in it */
export function rememberOrigins(config: Config, sources: ReadonlyMap<string, string>): Config {
  origins.set(config, sources);
  return config;
}

/** The file's line, variable or flag that gave the setting `path` its value; null for a default. */
export function originOf(config: Config, path: string): string | null {
  return origins.get(config)?.get(path) ?? null;
}
