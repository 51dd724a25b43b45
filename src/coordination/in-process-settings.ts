/** Shared settings that nobody else shares: kept until the process ends. */
import {
  SettingConflictError,
  type SettingsListener,
  type SharedSetting,
  type SharedSettings,
} from './coordination.js';

export function inProcessSettings(): SharedSettings {
  const settings = new Map<string, SharedSetting>();
  const listeners = new Set<SettingsListener>();
  let revision = 0n;

  const tell = (): void => {
    for (const listener of listeners) listener(new Map(settings));
  };
  const expect = (key: string, expected: bigint | undefined): void => {
    const found = settings.get(key)?.revision ?? null;
    if (expected !== undefined && expected !== (found ?? 0n)) {
      throw new SettingConflictError(key, found);
    }
  };

  return {
    async list() {
      return [...settings.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    },
    async put(key, value, expectedRevision) {
      expect(key, expectedRevision);
      revision += 1n;
      settings.set(key, { key, value, revision, version: (settings.get(key)?.version ?? 0) + 1 });
      tell();
      return revision;
    },
    async delete(key, expectedRevision) {
      expect(key, expectedRevision);
      const deleted = settings.delete(key);
      if (deleted) tell();
      return deleted;
    },
    watch(listener) {
      listeners.add(listener);
      queueMicrotask(() => listeners.has(listener) && listener(new Map(settings)));
      return () => listeners.delete(listener);
    },
  };
}
