/** A configuration whose shared settings change while the program runs. */
import type { Config } from './model.js';
import { ownValue, sharedEntries } from './shared.js';

export interface LiveConfig {
  /** Looks like any other; but whoever keeps a value of a shared setting keeps an old one: read it at each use. */
  readonly config: Config;
  /** @param values by path of the setting; all of `sharedEntries` */
  set(values: ReadonlyMap<string, unknown>): void;
}

export function liveConfig(own: Config): LiveConfig {
  let current: ReadonlyMap<string, unknown> = new Map(
    sharedEntries.map((entry) => [entry.path, ownValue(own, entry)]),
  );
  const live: Record<string, unknown> = { ...own };
  for (const section of new Set(sharedEntries.map((entry) => entry.section))) {
    const fields = { ...own[section] };
    for (const { path, field } of sharedEntries.filter((entry) => entry.section === section)) {
      Object.defineProperty(fields, field, { enumerable: true, get: () => current.get(path) });
    }
    live[section] = Object.freeze(fields);
  }
  return {
    config: Object.freeze(live) as Config,
    set(values) {
      current = values;
    },
  };
}
