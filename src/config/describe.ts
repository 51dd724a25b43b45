/** Shows a configuration to people without giving its secrets away. */
import { formatBytes, formatDuration } from './duration.js';
import { entries } from './entries.js';
import type { Config } from './model.js';

/**
 * The configuration under its names and in the units of config.yaml, plus `mode`, for the log and
 * for support. A secret that is set reads `***`; one that is not set reads null.
 */
export function describeConfig(config: Config): Record<string, unknown> {
  const described: Record<string, Record<string, unknown>> = {};
  for (const { section, name, field, key } of entries) {
    const value = (config[section] as Record<string, unknown>)[field];
    // `password` and `password_file` both gave `password`: it is shown once, under the field's own name.
    const shownAs = key.kind === 'secretFile' ? name.replace(/_file$/, '') : name;
    const hidden = key.secret || key.kind === 'secretFile';
    described[section] = {
      ...described[section],
      [shownAs]: hidden ? value && '***' : written(key.kind, value),
    };
  }
  return { mode: config.mode, ...described };
}

/** A value as one would write it. */
export function writtenValue(kind: string, value: unknown): string {
  return String(written(kind, value) ?? '');
}

function written(kind: string, value: unknown): unknown {
  if (kind === 'duration') return formatDuration(Number(value));
  if (kind === 'bytes') return formatBytes(Number(value));
  return value;
}
