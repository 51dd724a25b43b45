/** A change of a shared setting in etcd: decided under the lock that all changes share, because settings are judged together. */
import { writtenValue } from '../../config/describe.js';
import type { Entry } from '../../config/entries.js';
import { findShared, ownValue, readShared, whyNotShared } from '../../config/shared.js';
import {
  CoordinationUnavailableError,
  SettingConflictError,
} from '../../coordination/coordination.js';
import type { Call, Services } from '../../core/context.js';
import {
  NEVER_SET,
  readSetting,
  type StoredSetting,
  writeSetting,
} from '../../core/stored-setting.js';
import { ConflictError, NotFoundError, UnavailableError, ValidationError } from '../../errors.js';
import { historyOf, ownSource, RESOURCE_TYPE, type ShownSetting } from './queries.js';

/** All of them at once: one that is set may not fit to another that is set at the same moment. */
export const LOCK = 'system-config';

/** What the audit keeps of a setting. */
export interface SettingRow {
  /** As in config.yaml; null: not shared, each instance's own counts. */
  readonly value: string | null;
  readonly version: number;
}

export interface SettingChange {
  readonly key: string;
  /** The same object when there was nothing to change. */
  readonly before: SettingRow;
  readonly after: SettingRow;
  /** What was there, to be put back; null: never set. */
  readonly was: StoredSetting | null;
  /** Of what was written; 0n: nothing was. */
  readonly revision: bigint;
  readonly shown: ShownSetting;
}

export interface Wanted {
  readonly key: string;
  /** As written; null: to reset it. */
  readonly value: string | null;
  readonly expectedVersion?: number | null | undefined;
}

/** Decides, and writes unless it is a dry run. Throws what the mutations are refused with. */
export async function changeSetting(
  call: Call,
  wanted: Wanted,
  dryRun: boolean,
): Promise<SettingChange> {
  const { services } = call;
  const entry = requireShared(wanted.key);
  const value = wanted.value === null ? null : canonical(entry, wanted.value);
  requireEtcd(services);
  const stored = (await services.coordination.settings.list()).map(readSetting);
  const was = stored.find(({ key }) => key === entry.path) ?? null;
  const before: SettingRow = {
    value: was?.value ?? null,
    version: was?.version ?? NEVER_SET.version,
  };
  if (wanted.expectedVersion != null && wanted.expectedVersion !== before.version)
    throw new ConflictError(RESOURCE_TYPE, before.version);
  const next: StoredSetting = {
    key: entry.path,
    value,
    version: before.version + 1,
    revision: newestOf(stored) + 1n,
    updatedAt: services.clock.now(),
    updatedBy: call.viewer?.name ?? null,
    requestId: call.requestId,
  };
  requireFit(services, stored, next, wanted.value === null ? 'key' : 'value');
  if (value === before.value)
    return {
      key: entry.path,
      before,
      after: before,
      was,
      revision: 0n,
      shown: show(services, entry, was),
    };
  const revision = dryRun
    ? 0n
    : await put(services, entry.path, writeSetting(next), was?.revision ?? 0n);
  const after: SettingRow = { value, version: next.version };
  return { key: entry.path, before, after, was, revision, shown: show(services, entry, next) };
}

/** Puts back what was there before. What somebody has written since stays. */
export async function undoChange({ services }: Call, change: SettingChange): Promise<void> {
  const { key, was, revision } = change;
  if (revision === 0n) return;
  const text = writeSetting(
    was ?? { value: null, updatedAt: null, updatedBy: null, requestId: null },
  );
  await services.coordination.settings.put(key, text, revision);
}

function requireShared(key: string): Entry {
  const entry = findShared(key);
  if (!entry) throw new NotFoundError(RESOURCE_TYPE, ['key'], whyNotShared(key));
  return entry;
}

/** In the form in which it is shown everywhere: 90000ms is 90s. */
function canonical(entry: Entry, text: string): string {
  const read = readShared(entry, text);
  if ('fault' in read) throw ValidationError.of(['value'], read.fault);
  return writtenValue(entry.key.kind, read.value);
}

/** An instance that goes on alone would keep it for itself, and forget it when etcd is back. */
function requireEtcd({ config, coordination }: Services): void {
  if (config.mode === 'production' && coordination.kind === 'in-process') {
    throw new UnavailableError(
      'Shared settings are kept in etcd, which cannot be reached; nothing was changed. Try again when it is back.',
    );
  }
}

/** The setting must count with the others that are set, and must not make one of them invalid. */
function requireFit(
  { settings }: Services,
  stored: readonly StoredSetting[],
  next: StoredSetting,
  blamed: 'key' | 'value',
): void {
  const known = new Set(settings.judge(stored).problems.map(({ path }) => path));
  const { problems } = settings.judge([...stored.filter(({ key }) => key !== next.key), next]);
  const fault = problems.find(({ path }) => path === next.key || !known.has(path));
  if (fault) throw ValidationError.of([blamed], fault.message);
}

async function put(
  services: Services,
  key: string,
  text: string,
  expected: bigint,
): Promise<bigint> {
  try {
    return await services.coordination.settings.put(key, text, expected);
  } catch (cause) {
    if (cause instanceof SettingConflictError) throw new ConflictError(RESOURCE_TYPE, null);
    if (!(cause instanceof CoordinationUnavailableError)) throw cause;
    throw new UnavailableError(
      'etcd did not say whether it has changed the setting: systemConfig will show it. Try again when etcd is back.',
    );
  }
}

const newestOf = (stored: readonly StoredSetting[]): bigint =>
  stored.reduce((newest, { revision }) => (revision > newest ? revision : newest), 0n);

/** As it will count here, once this instance has heard of it. */
function show({ settings }: Services, entry: Entry, stored: StoredSetting | null): ShownSetting {
  const { own } = settings;
  const shared = stored?.value ?? null;
  return {
    key: entry.path,
    value: shared ?? writtenValue(entry.key.kind, ownValue(own, entry)),
    source: shared === null ? ownSource(own, entry) : 'SHARED',
    ...historyOf(stored ?? undefined),
  };
}
