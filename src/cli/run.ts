/** Chooses the sub-command. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { VERSION } from '../version.js';
import { HELP, UsageError } from './usage.js';

const OPTIONS = {
  config: { type: 'string' },
  dev: { type: 'boolean' },
  host: { type: 'string' },
  port: { type: 'string' },
  'log-level': { type: 'string' },
  to: { type: 'string' },
  role: { type: 'string' },
  email: { type: 'string' },
  'must-change-password': { type: 'boolean' },
  server: { type: 'string' },
  token: { type: 'string' },
  simulate: { type: 'string' },
  enrol: { type: 'string' },
  'token-file': { type: 'string' },
  'management-ip': { type: 'string' },
  file: { type: 'string' },
  anchor: { type: 'string' },
  from: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
  undo: { type: 'boolean' },
  force: { type: 'boolean' },
  unsealed: { type: 'boolean' },
  'audit-faults': { type: 'boolean' },
  'key-file': { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

export type Options = {
  [K in keyof typeof OPTIONS]?: (typeof OPTIONS)[K]['type'] extends 'boolean' ? boolean : string;
};

interface Command {
  readonly options: readonly (keyof Options)[];
  /** Imported when it is run, so that --version does not load a server. */
  readonly load: () => Promise<(words: readonly string[], options: Options) => Promise<number>>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    options: ['config', 'dev', 'host', 'port', 'log-level'],
    load: async () => (await import('./serve.js')).serve,
  },
  migrate: {
    options: ['config', 'to', 'log-level'],
    load: async () => (await import('./migrate.js')).migrate,
  },
  user: {
    options: ['config', 'role', 'email', 'must-change-password', 'log-level'],
    load: async () => (await import('./user.js')).user,
  },
  audit: {
    options: ['config', 'file', 'anchor', 'from', 'to', 'out', 'json', 'log-level'],
    load: async () => (await import('./audit.js')).audit,
  },
  secrets: {
    options: ['config', 'log-level'],
    load: async () => (await import('./secrets.js')).secrets,
  },
  config: {
    options: ['config'],
    load: async () => (await import('./config.js')).config,
  },
  doctor: {
    options: ['config', 'json'],
    load: async () => (await import('./doctor.js')).doctor,
  },
  backup: {
    options: ['config', 'log-level'],
    load: async () => (await import('./backup.js')).backup,
  },
  restore: {
    options: ['config', 'key-file', 'undo', 'force', 'unsealed', 'audit-faults', 'log-level'],
    load: async () => (await import('./restore.js')).restore,
  },
  backups: {
    options: ['config', 'key-file', 'to', 'unsealed', 'log-level'],
    load: async () => (await import('./backups.js')).backups,
  },
  agent: {
    options: ['server', 'token', 'simulate', 'enrol', 'token-file', 'management-ip', 'log-level'],
    load: async () => (await import('./agent.js')).agent,
  },
};

/** @returns the exit code. Throws UsageError or ConfigError for exit code 2. */
export async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.version) {
    process.stdout.write(`qx-controlplane ${VERSION}\n`);
    return 0;
  }
  const [name = 'serve', ...words] = positionals;
  const command = COMMANDS[name];
  if (!command) throw new UsageError(`There is no command "${name}".`);
  for (const option of Object.keys(values) as (keyof Options)[]) {
    if (!command.options.includes(option))
      throw new UsageError(`The command "${name}" has no option --${option}.`);
  }
  return (await command.load())(words, values);
}

function parse(argv: readonly string[]): { values: Options; positionals: string[] } {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true }) as never;
  } catch (error) {
    // The rest of the message explains a way around that nobody needs here.
    throw new UsageError((error as Error).message.replace(/ To specify a positional.*$/s, ''));
  }
}
