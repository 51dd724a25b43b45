/** The part of etcd that is not made anew by itself: shared settings. Leases, locks, members and the lead belong to processes. */
import type { Config } from '../../config/model.js';
import { type EtcdClient, openEtcdClient } from '../../coordination/etcd-client.js';
import { openSettings } from '../../coordination/etcd-settings.js';
import { coordinationKeys, under } from '../../coordination/keys.js';
import { connectionOf } from '../../coordination/open.js';

export type SettingsMap = Readonly<Record<string, string>>;

async function withEtcd<T>(config: Config, work: (client: EtcdClient) => Promise<T>): Promise<T> {
  const client = openEtcdClient(connectionOf(config.etcd));
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** All of them as etcd has them. @throws {CoordinationUnavailableError} */
export function readSettings(config: Config): Promise<SettingsMap> {
  return withEtcd(config, async (client) => {
    const settings = openSettings(client);
    const list = await settings.list();
    settings.close();
    return Object.fromEntries(list.map(({ key, value }) => [key, value]));
  });
}

/** Makes etcd have exactly these. What is so already is not written. @throws {CoordinationUnavailableError} */
export function writeSettings(config: Config, wanted: SettingsMap): Promise<number> {
  return withEtcd(config, async (client) => {
    const settings = openSettings(client);
    const present = new Map((await settings.list()).map(({ key, value }) => [key, value]));
    let changed = 0;
    for (const [key, value] of Object.entries(wanted)) {
      if (present.get(key) === value) continue;
      await settings.put(key, value);
      changed += 1;
    }
    for (const key of present.keys()) {
      if (key in wanted) continue;
      await settings.delete(key);
      changed += 1;
    }
    settings.close();
    return changed;
  });
}

/** Addresses of instances that etcd knows to run; null: etcd does not answer. */
export async function runningMembers(config: Config): Promise<string[] | null> {
  try {
    return await withEtcd(config, async (client) => {
      const { kvs } = await client.range(under(coordinationKeys.member('')));
      return kvs.map(({ value }) => {
        try {
          return String((JSON.parse(value.toString()) as { address?: unknown }).address);
        } catch {
          return 'an unknown address';
        }
      });
    });
  } catch {
    return null;
  }
}
