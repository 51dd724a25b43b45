/**
 * Settings that all instances share: read from text, judged together with this instance's own, and put over them.
 * Pure; where they come from is for core/settings.ts.
 */
import { writtenValue } from './describe.js';
import { type Entry, entries } from './entries.js';
import type { ConfigFault } from './errors.js';
import type { Config } from './model.js';
import { originOf, rememberOrigins } from './origin.js';
import { applyRules, type Chosen } from './rules.js';
import { readValue } from './setting.js';
import { nearest } from './suggest.js';

/** Every setting that can be shared, in the order of the model. */
export const sharedEntries: readonly Entry[] = entries.filter(({ key }) => key.shared);

const byPath = new Map(entries.map((entry) => [entry.path, entry]));

export function findShared(path: string): Entry | undefined {
  const entry = byPath.get(path);
  return entry?.key.shared ? entry : undefined;
}

/** Why there is no shared setting of this name, as a sentence. */
export function whyNotShared(path: string): string {
  if (byPath.has(path)) {
    return `${path} is read once, at the start: change it in the configuration of each instance and restart it.`;
  }
  const meant = nearest(
    path.slice(0, 100),
    sharedEntries.map((entry) => entry.path),
  );
  return meant ? `Did you mean ${meant}?` : 'systemConfig lists those that there are.';
}

/** One shared setting as somebody wrote it. */
export interface Given {
  readonly path: string;
  readonly text: string;
}

export interface Problem {
  readonly path: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

export interface Settled {
  /** What counts, for each of `sharedEntries`. */
  readonly values: ReadonlyMap<string, unknown>;
  /** The given ones that count. */
  readonly applied: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

/** The value that a text means, or what is wrong with it. */
export function readShared(entry: Entry, text: string): { value: unknown } | { fault: string } {
  let fault = '';
  const report = ({ message }: ConfigFault): void => {
    fault = message;
  };
  return readValue({ entry, raw: text, source: '', folder: '' }, report) ?? { fault };
}

/**
 * Shared over own over default. What is unknown or malformed is left out. So is what does not go together with the rest:
 * all instances with equal files leave out the same, because those that were given first stay.
 * @param given the oldest first
 */
export function settle(own: Config, given: readonly Given[]): Settled {
  const problems: Problem[] = [];
  const readable = new Map<string, Chosen>();
  for (const { path, text } of given) {
    const entry = findShared(path);
    const read = entry
      ? readShared(entry, text)
      : { fault: `no such setting. ${whyNotShared(path)}` };
    if ('fault' in read) problems.push({ path, message: read.fault });
    else readable.set(path, { value: read.value, written: text, source: 'shared' });
  }
  const { kept, broken } = fitting(own, readable);
  const choices = kept.size > 0 ? judge(own, kept).choices : null;
  return {
    values: new Map(
      sharedEntries.map((entry) => [
        entry.path,
        choices ? choices.get(entry.path)?.value : ownValue(own, entry),
      ]),
    ),
    applied: new Set(kept.keys()),
    problems: [...problems, ...broken],
  };
}

/** As many as go together. One that needs another to fit gets its turn again when that one is in. */
function fitting(
  own: Config,
  given: ReadonlyMap<string, Chosen>,
): { kept: ReadonlyMap<string, Chosen>; broken: readonly Problem[] } {
  const known = new Set(judge(own, new Map()).faults.map(({ message }) => message));
  const faultsWith = (over: ReadonlyMap<string, Chosen>) =>
    judge(own, over).faults.filter(({ message }) => !known.has(message));
  if (faultsWith(given).length === 0) return { kept: given, broken: [] };
  const kept = new Map<string, Chosen>();
  let waiting = [...given];
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    waiting = waiting.filter(([path, chosen]) => {
      const fits = faultsWith(new Map([...kept, [path, chosen]])).length === 0;
      if (fits) kept.set(path, chosen);
      return !fits;
    });
  }
  const broken = waiting.map(([path, chosen]) => {
    const [fault] = faultsWith(new Map([...kept, [path, chosen]]));
    return { path, message: fault ? `${fault.path}: ${fault.message}` : 'does not fit' };
  });
  return { kept, broken };
}

function judge(own: Config, over: ReadonlyMap<string, Chosen>) {
  const choices = new Map<string, Chosen>();
  for (const entry of entries) {
    // Each gets an object of its own: rules may lower a default.
    const chosen = over.get(entry.path) ?? ownChoice(own, entry);
    choices.set(entry.path, { ...chosen });
  }
  const faults: ConfigFault[] = [];
  applyRules(choices, (fault) => faults.push(fault));
  return { choices, faults };
}

function ownChoice(own: Config, entry: Entry): Chosen {
  const { path, key } = entry;
  const source = originOf(own, path);
  // A default may have given way to the file's other settings, which others replace now.
  if (source === null && key.shared) {
    return { value: key.schema.parse(key.initial), written: String(key.initial), source };
  }
  const value = ownValue(own, entry);
  return { value, written: key.secret ? '***' : writtenValue(key.kind, value), source };
}

/** What this instance's own configuration says. */
export function ownValue(own: Config, { section, field }: Entry): unknown {
  return (own[section] as Readonly<Record<string, unknown>>)[field];
}

/**
 * `own` with the shared settings of `read`, a configuration that was read while the program runs.
 * `left` are the paths of the other settings that differ: they count from the next start on.
 */
export function reread(own: Config, read: Config): { own: Config; left: readonly string[] } {
  const sections: Record<string, Record<string, unknown>> = {};
  const origins = new Map<string, string>();
  const left: string[] = [];
  for (const entry of entries) {
    const from = entry.key.shared ? read : own;
    sections[entry.section] ??= {};
    Object.assign(sections[entry.section] ?? {}, { [entry.field]: ownValue(from, entry) });
    const origin = originOf(from, entry.path);
    if (origin !== null) origins.set(entry.path, origin);
    const differs = JSON.stringify(ownValue(own, entry)) !== JSON.stringify(ownValue(read, entry));
    if (!entry.key.shared && differs) left.push(entry.path);
  }
  const frozen = Object.entries(sections).map(([name, fields]) => [name, Object.freeze(fields)]);
  const merged = Object.freeze({ mode: own.mode, ...Object.fromEntries(frozen) }) as Config;
  return { own: rememberOrigins(merged, origins), left };
}
