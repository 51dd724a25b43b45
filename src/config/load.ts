/**
 * Makes the one `Config` of the process: defaults < file < environment < flags.
 *
 * This folder is the only reader of `process.env`. Every source is read to its end and every value
 * is judged, also one that a stronger source overrides, so that one start shows all faults.
 */
import { accessSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Entry, entries } from './entries.js';
import { FILE_VARIABLE, readEnvironment } from './environment.js';
import { ConfigError, type ConfigFault } from './errors.js';
import { readConfigFile } from './file.js';
import type { Config, Mode } from './model.js';
import { rememberOrigins } from './origin.js';
import { applyRules, type Chosen } from './rules.js';
import { type Report, readValue, type Setting } from './setting.js';

/** Read in production when no file is named and this one exists. */
export const DEFAULT_CONFIG_FILE = '/etc/quantix-vdc/config.yaml';

/** What the command line may say. `port` as typed: it is checked here like any other source. */
export type ConfigFlags = {
  dev?: boolean;
  host?: string;
  port?: string | number;
  configFile?: string;
  logLevel?: string;
};

/** Parts of a `Config` to replace. */
export type ConfigOverrides = { readonly mode?: Mode } & {
  readonly [Name in Exclude<keyof Config, 'mode'>]?: Partial<Config[Name]>;
};

/**
 * Reads file, environment and flags.
 *
 * @param defaultFile read in production when neither `--config` nor `QUANTIX_CONFIG` names a file.
 * @throws ConfigError with every fault there is; its message can be printed as it is.
 */
export function loadConfig(
  flags: ConfigFlags,
  env: NodeJS.ProcessEnv = process.env,
  defaultFile: string = DEFAULT_CONFIG_FILE,
): Config {
  const faults: ConfigFault[] = [];
  const report: Report = (fault) => faults.push(fault);
  const mode: Mode = flags.dev === true ? 'dev' : 'production';
  const choices = defaults();
  // Weakest first: each layer overrides the ones before it.
  choose(choices, fromFile(flags, env, mode, defaultFile, report), report);
  choose(choices, readEnvironment(env, report), report);
  choose(choices, fromFlags(flags), report);
  applyRules(choices, report);
  if (faults.length > 0) throw new ConfigError(faults);
  const given = [...choices].flatMap(([path, { source }]) =>
    source === null ? [] : [[path, source] as const],
  );
  return rememberOrigins(assemble(mode, choices), new Map(given));
}

/** The defaults in dev mode, without looking at any file or variable. `overrides` are taken as they are. */
export function defaultConfig(overrides: ConfigOverrides = {}): Config {
  const { mode = 'dev', ...replaced } = overrides;
  const config: Record<string, unknown> = { ...assemble(mode, defaults()) };
  for (const [section, fields] of Object.entries(replaced)) {
    config[section] = Object.freeze({ ...Object(config[section]), ...fields });
  }
  const given = entries.filter(
    ({ section, field }) => field in Object((replaced as Record<string, unknown>)[section]),
  );
  return rememberOrigins(
    Object.freeze(config) as Config,
    new Map(given.map(({ path }) => [path, 'overrides'])),
  );
}

/**
 * The files that a configuration that loads without faults comes from: config.yaml, and each file with a secret.
 * For looking at who else may read them.
 */
export function configurationFiles(
  flags: ConfigFlags,
  env: NodeJS.ProcessEnv = process.env,
  defaultFile: string = DEFAULT_CONFIG_FILE,
): { setting: string; file: string; holdsSecret: boolean }[] {
  const ignore: Report = () => {};
  const mode: Mode = flags.dev === true ? 'dev' : 'production';
  const written = fromFile(flags, env, mode, defaultFile, ignore);
  const named = flags.configFile ?? (env[FILE_VARIABLE] || defaultFile);
  const settings = [...written, ...readEnvironment(env, ignore)];
  const secrets = settings.filter(
    ({ entry, raw }) => entry.key.kind === 'secretFile' && raw !== '',
  );
  return [
    ...(written.length > 0
      ? [
          {
            setting: 'config.yaml',
            file: resolve(named),
            holdsSecret: written.some(({ entry, raw }) => entry.key.secret && raw !== ''),
          },
        ]
      : []),
    ...secrets.map(({ entry, raw, folder }) => ({
      setting: entry.path,
      file: resolve(folder, String(raw)),
      holdsSecret: true,
    })),
  ];
}

function fromFile(
  flags: ConfigFlags,
  env: NodeJS.ProcessEnv,
  mode: Mode,
  defaultFile: string,
  report: Report,
): Setting[] {
  if (flags.configFile !== undefined) return readConfigFile(flags.configFile, '--config', report);
  const named = env[FILE_VARIABLE];
  if (named) return readConfigFile(named, FILE_VARIABLE, report);
  // A developer's machine may well have an installed appliance's file: --dev must not pick it up.
  if (mode === 'dev' || !exists(defaultFile)) return [];
  return readConfigFile(defaultFile, 'default file', report);
}

/** False only when there is surely no such file: one that may not be looked at is a fault, not an absence. */
function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
}

function fromFlags(flags: ConfigFlags): Setting[] {
  const given = [
    ['server.host', '--host', flags.host],
    ['server.port', '--port', flags.port],
    ['log.level', '--log-level', flags.logLevel],
  ] as const;
  return given.flatMap(([path, source, value]) => {
    const entry = entries.find((candidate) => candidate.path === path);
    if (entry === undefined || value === undefined) return [];
    return [{ entry, raw: String(value), source, folder: process.cwd() }];
  });
}

function defaults(): Map<string, Chosen> {
  return new Map(
    entries.map(({ path, key: { initial, schema } }) => {
      const value = initial === null ? null : schema.parse(initial);
      return [path, { value, written: String(initial), source: null }];
    }),
  );
}

/** Lays one source's settings over what weaker sources said. */
function choose(choices: Map<string, Chosen>, layer: readonly Setting[], report: Report): void {
  // Empty, where "none" is possible, is how templates and compose files say "not set".
  const given = layer.filter(({ entry, raw }) => raw !== '' || entry.key.initial !== null);
  for (const setting of given) {
    const { entry, raw, source } = setting;
    const rival = given.find((other) => isOtherWay(entry, other.entry));
    if (rival && entry.key.kind === 'secretFile') {
      const message = `given together with ${rival.entry.path} (${rival.source}): keep one of them`;
      report({ path: entry.path, source, message });
    }
    // A password here replaces a weaker source's password_file, and the other way round.
    for (const other of entries) if (isOtherWay(entry, other)) choices.delete(other.path);
    const read = readValue(setting, report);
    // Without a value no rule can judge it, and the fault prevents that a config is made.
    if (read === undefined) choices.delete(entry.path);
    else choices.set(entry.path, { value: read.value, written: String(raw), source });
  }
}

/** `password` and `password_file` are two ways to give the same field. */
function isOtherWay(a: Entry, b: Entry): boolean {
  return a !== b && a.section === b.section && a.field === b.field;
}

function assemble(mode: Mode, choices: ReadonlyMap<string, Chosen>): Config {
  const sections: Record<string, Record<string, unknown>> = {};
  for (const { path, section, field } of entries) {
    sections[section] ??= {};
    const value = choices.get(path)?.value;
    sections[section][field] ??= Array.isArray(value) ? Object.freeze(value) : (value ?? null);
  }
  for (const section of Object.values(sections)) Object.freeze(section);
  // The model's types and its names at run time follow one rule: see `Field` and `fieldOf`.
  return Object.freeze({ mode, ...sections }) as unknown as Config;
}
