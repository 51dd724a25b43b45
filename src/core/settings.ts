/**
 * Shared settings: what etcd holds of them, applied to the configuration of this instance while it runs.
 * What cannot be used is left out, said once in the log, and listed: it never stops anything.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { liveConfig } from '../config/live.js';
import type { Config } from '../config/model.js';
import { type Problem, reread, type Settled, settle } from '../config/shared.js';
import type { Coordination, SharedSetting } from '../coordination/coordination.js';
import type { Logger } from '../log.js';
import { readSetting, type StoredSetting } from './stored-setting.js';

export interface Settings {
  /** What this instance was started with, and of the shared settings what it has read since. */
  readonly own: Config;
  /** What was last heard, by key, those that were reset included; null before anything was heard. */
  known(): ReadonlyMap<string, StoredSetting> | null;
  /** What is in etcd and cannot be used. */
  problems(): readonly Problem[];
  /** Keys whose shared value counts. */
  applied(): ReadonlySet<string>;
  /** What these would make of this instance's own configuration. */
  judge(settings: readonly StoredSetting[]): Settled;
  /** Comes back when `revision` or a later one has been applied here (0n: whatever there is), or after `waitMs`. */
  heard(revision: bigint, waitMs: number): Promise<void>;
  /** Takes the shared settings of a configuration that was read anew. Gives the paths of others that differ: they need a start. */
  reread(read: Config): readonly string[];
  close(): void;
}

/** The settings, and the configuration that follows them. */
export function openSettings(
  started: Config,
  coordination: Coordination,
  log: Logger,
): { config: Config; settings: Settings } {
  let own = started;
  const { config, set } = liveConfig(own);
  const judge = (settings: readonly StoredSetting[]): Settled =>
    settle(
      own,
      [...settings]
        .sort((a, b) => (a.revision < b.revision ? -1 : 1))
        .flatMap(({ key, value }) => (value === null ? [] : [{ path: key, text: value }])),
    );
  let known: ReadonlyMap<string, StoredSetting> | null = null;
  let settled = judge([]);
  let waiters: (() => void)[] = [];

  const apply = (shared: ReadonlyMap<string, SharedSetting>): void => {
    settleWith(new Map([...shared].map(([key, setting]) => [key, readSetting(setting)])));
    for (const wake of waiters.splice(0)) wake();
  };
  const settleWith = (heard: ReadonlyMap<string, StoredSetting> | null): void => {
    const before = { known, settled };
    known = heard;
    settled = judge([...(known?.values() ?? [])]);
    set(settled.values);
    tell(before, { known, settled }, log);
    // The one reader that is told, because the library behind it keeps the value.
    const level = settled.values.get('log.level');
    if (level !== before.settled.values.get('log.level')) log.level = String(level);
  };
  const stop = coordination.settings.watch(apply);

  const reached = (revision: bigint): boolean =>
    revision === 0n || [...(known?.values() ?? [])].some((setting) => setting.revision >= revision);

  return {
    config,
    settings: {
      get own() {
        return own;
      },
      known: () => known,
      problems: () => settled.problems,
      applied: () => settled.applied,
      judge,
      async heard(revision, waitMs) {
        const deadline = performance.now() + waitMs;
        while (known === null || !reached(revision)) {
          const left = deadline - performance.now();
          if (left <= 0) return;
          const late = new AbortController();
          const woken = new Promise<void>((resolve) => {
            waiters.push(resolve);
          });
          await Promise.race([
            woken,
            sleep(left, undefined, { signal: late.signal, ref: false }).catch(() => undefined),
          ]);
          late.abort();
        }
      },
      reread(read) {
        const { own: next, left } = reread(own, read);
        own = next;
        settleWith(known);
        return left;
      },
      close() {
        stop();
        waiters = [];
      },
    },
  };
}

interface State {
  readonly known: ReadonlyMap<string, StoredSetting> | null;
  readonly settled: Settled;
}

/** Each thing once: what counts now, what has vanished, what cannot be used. */
function tell(before: State, now: State, log: Logger): void {
  const changed = [...now.settled.values].filter(
    ([key, value]) => before.settled.values.get(key) !== value,
  );
  if (changed.length > 0)
    log.info({ settings: Object.fromEntries(changed) }, 'shared settings have changed');
  const gone = [...before.settled.applied].filter((key) => !now.known?.has(key));
  if (gone.length > 0) {
    log.warn(
      { settings: gone },
      "shared settings have gone from etcd: this instance's own values count again",
    );
  }
  const said = new Set(before.settled.problems.map(({ path, message }) => `${path}: ${message}`));
  for (const { path, message } of now.settled.problems) {
    if (said.has(`${path}: ${message}`)) continue;
    log.error({ setting: path, problem: message }, 'a shared setting in etcd cannot be used');
  }
}
