/** Shared settings in etcd. What listeners see is a copy that heals itself: see etcd-mirror.ts. */
import type { ICompare } from 'etcd3';
import { SettingConflictError, type SharedSetting, type SharedSettings } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import { type Entry, entryOf, openMirror } from './etcd-mirror.js';
import { coordinationKeys, under } from './keys.js';

/** However healthy the watch looks. */
const RELIST_MS = 60_000;
const PREFIX = coordinationKeys.config('');

export function openSettings(client: EtcdClient): SharedSettings & { close(): void } {
  const watches = new Set<() => void>();
  const toSetting = ({ key, value, modRevision, version }: Entry): SharedSetting => ({
    key: key.slice(PREFIX.length),
    value,
    revision: modRevision,
    version,
  });
  const asExpected = (key: Buffer, revision: bigint | undefined): ICompare[] => {
    if (revision === undefined) return [];
    return [{ key, target: 'Mod', result: 'Equal', mod_revision: String(revision) }];
  };

  return {
    async list() {
      const { kvs } = await client.range(under(PREFIX));
      return kvs.map((kv) => toSetting(entryOf(kv)));
    },
    async put(name, text, expectedRevision) {
      const key = Buffer.from(coordinationKeys.config(name));
      const value = Buffer.from(text);
      const { header, succeeded, responses } = await client.txn({
        compare: asExpected(key, expectedRevision),
        success: [{ request_put: { key, value } }],
        failure: [{ request_range: { key } }],
      });
      if (succeeded) return BigInt(header.revision);
      const found = responses[0]?.response_range.kvs[0];
      throw new SettingConflictError(name, found ? BigInt(found.mod_revision) : null);
    },
    async delete(name, expectedRevision) {
      const key = Buffer.from(coordinationKeys.config(name));
      const { succeeded, responses } = await client.txn({
        compare: asExpected(key, expectedRevision),
        success: [{ request_delete_range: { key } }],
        failure: [{ request_range: { key } }],
      });
      if (succeeded) return responses[0]?.response_delete_range.deleted !== '0';
      const found = responses[0]?.response_range.kvs[0];
      throw new SettingConflictError(name, found ? BigInt(found.mod_revision) : null);
    },
    watch(listener) {
      let seen = '';
      const mirror = openMirror(client, {
        range: under(PREFIX),
        relistMs: RELIST_MS,
        onChange: () => {
          const all = [...(mirror.entries()?.values() ?? [])];
          const now = JSON.stringify(
            all.map((e) => [e.key, String(e.modRevision), e.value]).sort(),
          );
          if (now === seen) return; // listed again, nothing new
          seen = now;
          const settings = all.map(toSetting);
          listener(new Map(settings.map((setting) => [setting.key, setting])));
        },
      });
      watches.add(mirror.close);
      return () => {
        watches.delete(mirror.close);
        mirror.close();
      };
    },
    close() {
      for (const close of watches) close();
    },
  };
}
