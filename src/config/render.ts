/**
 * Prints the model as the commented config.yaml of the appliance and as the reference for people.
 *
 * Both files are committed, and a test fails when they are not what is printed here. To refresh them
 * after a change of the model: `UPDATE_GENERATED=1 npx vitest run test/config/render.test.ts`.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Entry, entries } from './entries.js';
import { model } from './model.js';

const WIDTH = 96;

/** The generated files, by their path in the repository. */
export function generatedFiles(): Readonly<Record<string, string>> {
  return {
    'openrc/config.yaml': renderDefaultConfig(),
    'docs/configuration.md': renderConfigReference(),
  };
}

/** Writes the generated files below `root`, the folder of the repository. Gives the paths written. */
export function writeGeneratedFiles(root: string): string[] {
  return Object.entries(generatedFiles()).map(([name, content]) => {
    const path = join(root, name);
    writeFileSync(path, content);
    return path;
  });
}

/** A config.yaml that sets every setting to its default. What has no default stands there as a comment. */
export function renderDefaultConfig(): string {
  return renderConfig('every setting, at its default.');
}

/** The same for one purpose: `chosen` are settings, by path, that are written instead of their default. */
export function renderConfig(
  title: string,
  chosen: ReadonlyMap<string, string | readonly string[]> = new Map(),
): string {
  const lines = comment('', fileHeader(title));
  for (const [section, { about }] of Object.entries(model)) {
    lines.push('', ...comment('', about), `${section}:`);
    const inside = entries.filter((entry) => entry.section === section);
    inside.forEach((entry, index) => {
      if (index > 0) lines.push('');
      const value = chosen.get(entry.path) ?? entry.key.initial;
      const set = value !== null;
      lines.push(...comment('  ', entry.key.description));
      if (set) lines.push(...comment('  ', form(entry)));
      lines.push(
        set
          ? `  ${entry.name}: ${asYaml(entry, value)}`
          : `  # ${entry.name}: ${entry.key.example}`,
      );
    });
  }
  return `${lines.join('\n')}\n`;
}

/** The reference of every setting in Markdown: a table for each section. */
export function renderConfigReference(): string {
  const lines = [REFERENCE_HEADER.trim()];
  for (const [section, { about }] of Object.entries(model)) {
    lines.push('', `## ${section}`, '', about, '');
    lines.push('| Key | Default | Form | Unit | Secret | Variable | Meaning |');
    lines.push('|---|---|---|---|---|---|---|');
    for (const entry of entries.filter((candidate) => candidate.section === section)) {
      const { path, variable, key } = entry;
      const initial = key.initial === null ? 'none' : `\`${initialYaml(entry)}\``;
      const cells = [`\`${path}\``, initial, key.expects, key.unit ?? '', key.secret ? 'yes' : ''];
      cells.push(`\`${variable}\``, key.description);
      lines.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
    }
  }
  lines.push('', ...sharedSettings());
  return `${lines.join('\n')}\n`;
}

function sharedSettings(): string[] {
  const shared = entries.filter(({ key }) => key.shared).map(({ path }) => `- \`${path}\``);
  return [SHARED_HEADER.trim(), '', ...shared];
}

const initialYaml = (entry: Entry): string => asYaml(entry, entry.key.initial);

function asYaml({ key: { kind } }: Entry, value: unknown): string {
  // Numbers, durations and sizes are written as they are; YAML would quote a text that looks like a number.
  if (kind === 'integer' || kind === 'ratio') return String(value);
  return stringify(value, { collectionStyle: 'flow', flowCollectionPadding: false }).trim();
}

function form({ key: { expects, unit } }: Entry): string {
  return `Takes ${expects}${unit === null ? '' : `: ${unit}`}.`;
}

function comment(indent: string, text: string): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines = [''];
    for (const word of paragraph.split(' ')) {
      const last = lines.at(-1) ?? '';
      const longer = last === '' ? word : `${last} ${word}`;
      if (indent.length + 2 + longer.length > WIDTH) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines.map((line) => `${indent}# ${line}`.trimEnd());
  });
}

const fileHeader = (title: string) => `Quantix-vDC control plane: ${title}

Read at start from /etc/quantix-vdc/config.yaml, or from the file that --config names.
A variable QUANTIX_<SECTION>_<KEY> overrides a line here, and a flag overrides both.
An unknown or malformed setting stops the start, and all faults are printed at once.
Durations are a number and a unit: ms, s, m or h. Sizes are bytes, or KiB, MiB or GiB.
This file is printed from the program's own model: see docs/configuration.md.`;

const REFERENCE_HEADER = `
# Configuration

<!-- Printed from src/config/model.ts. Change the model, then run:
     UPDATE_GENERATED=1 npx vitest run test/config/render.test.ts -->

A setting comes from four places; each overrides the ones before it:

1. its default;
2. the file: the one named by \`--config\`, else by \`QUANTIX_CONFIG\`, else \`/etc/quantix-vdc/config.yaml\` if it exists (not with \`--dev\`);
3. its environment variable, \`QUANTIX_<SECTION>_<KEY>\`;
4. its flag: \`--host\`, \`--port\` and \`--log-level\`.

Over all of them, for some settings, counts what is [shared](#shared-settings) by all instances.

\`--dev\` is a flag only: no file can turn a production instance into one that forgets everything.

- **Faults.** Unknown keys and variables, malformed values and settings that contradict each other stop the start with exit code 2. All of them are printed at once, each with the line of the file, the variable or the flag it comes from. A value is checked even where a stronger source overrides it.
- **Durations** are one whole number and a unit: \`500ms\`, \`5s\`, \`10m\`, \`24h\`. **Sizes** are whole bytes, or \`B\`, \`KiB\`, \`MiB\`, \`GiB\`.
- **Lists** in a variable are separated by commas. An empty variable is an empty list; for a setting without a default it counts as not set; for any other it is a fault.
- **Secrets** are better kept in a file of their own: \`password_file\` instead of \`password\`. Naming both in one place is a fault; a stronger place's one replaces a weaker place's other. Relative paths are relative to the folder of config.yaml, or in a variable to the working directory. No secret is ever written to the log or into a fault.
- **YAML** here is mappings, lists and text. Anchors, aliases and tags are refused. A text that begins with \`@\`, \`&\`, \`*\`, \`!\` or \`%\`, or that holds \`: \` or \` #\`, has to be quoted.
`;

const SHARED_HEADER = `
## Shared settings

These can be changed for all instances at once while they run, with the mutation \`setSystemConfig\`; \`resetSystemConfig\` takes the change back, \`systemConfig\` shows what counts.
They are kept in etcd, and count over file, variable and flag. Without etcd the last known values stay in force; a restart without etcd begins with the instance's own.
`;
