/** What is shown of a setting: how it is declared, and what counts of it now. */
import { writtenValue } from '../../config/describe.js';
import type { Entry } from '../../config/entries.js';
import { originOf } from '../../config/origin.js';
import { ownValue, sharedEntries, whyNotShared } from '../../config/shared.js';
import { may, type Viewer } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import { NEVER_SET, type StoredSetting } from '../../core/stored-setting.js';
import { BadRequestError } from '../../errors.js';

/** Plain JSON: it is kept with idempotency keys. */
export interface ShownSetting {
  readonly key: string;
  readonly value: string;
  readonly source: 'DEFAULT' | 'FILE' | 'SHARED';
  readonly version: number;
  readonly updatedAt: string | null;
  readonly updatedBy: string | null;
}

export const RESOURCE_TYPE = 'SystemConfig';
export const PERMISSION = 'system:config';

/** Whoever may not change them does not see them either. */
export const seesSettings = (viewer: Viewer | null): boolean =>
  viewer !== null && may(viewer, PERMISSION, null);

/** The setting as it counts on this instance. */
function showSetting({ config, settings }: Services, entry: Entry): ShownSetting {
  const { path, key } = entry;
  const stored = settings.known()?.get(path);
  const own = settings.applied().has(path) ? null : ownSource(settings.own, entry);
  return {
    key: path,
    value: writtenValue(key.kind, ownValue(config, entry)),
    source: own ?? 'SHARED',
    ...historyOf(stored),
  };
}

/** What this instance's own configuration says of it, for when nothing is shared. */
export function ownSource(own: Services['config'], { path }: Entry): 'DEFAULT' | 'FILE' {
  return originOf(own, path) === null ? 'DEFAULT' : 'FILE';
}

export function historyOf(
  stored: StoredSetting | undefined,
): Pick<ShownSetting, 'version' | 'updatedAt' | 'updatedBy'> {
  return {
    version: stored?.version ?? NEVER_SET.version,
    updatedAt: stored?.updatedAt?.toISOString() ?? null,
    updatedBy: stored?.updatedBy ?? null,
  };
}

/** @param keys null: all. Throws BadRequestError for one that there is not. */
export function listSettings(
  services: Services,
  keys: readonly string[] | null,
): readonly ShownSetting[] {
  const known = new Set(sharedEntries.map(({ path }) => path));
  const unknown = keys?.find((key) => !known.has(key));
  if (unknown !== undefined) {
    const name = JSON.stringify(unknown.slice(0, 100));
    throw new BadRequestError(`${name} is no shared setting. ${whyNotShared(unknown)}`, ['keys']);
  }
  return sharedEntries
    .filter(({ path }) => keys?.includes(path) ?? true)
    .map((entry) => showSetting(services, entry));
}
