/** What is wrong with a configuration: every fault at once, each with where it stands. */

/** One fault. No field ever holds the value of a secret. */
export type ConfigFault = {
  /** The setting (`database.port`), or the unknown variable's name, or '' for a file as a whole. */
  readonly path: string;
  /** `file:line`, the name of an environment variable, a flag, or `default`. */
  readonly source: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
};

/** Thrown by `loadConfig`. The message is ready to print: one line for each fault, then the way out. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
    const help = 'Every setting, its default and its form are described in docs/configuration.md.';
    super([`The configuration has ${count}:`, ...faults.map(line), help].join('\n'));
    this.faults = faults;
  }
}

function line({ path, source, message }: ConfigFault): string {
  // An unknown variable is its own source: naming it twice helps nobody.
  const where = path === '' || path === source ? source : `${path} (${source})`;
  return `  ${where}: ${message}`;
}
