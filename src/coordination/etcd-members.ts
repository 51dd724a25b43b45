/** The instances that live, by what each has written under its lease. */
import type { Instance, Member } from './coordination.js';
import type { EtcdClient } from './etcd-client.js';
import { coordinationKeys, one, under } from './keys.js';

const PREFIX = coordinationKeys.member('');

/** By start time. */
export async function listMembers(client: EtcdClient): Promise<readonly Member[]> {
  const [{ kvs }, leader] = await Promise.all([
    client.range(under(PREFIX)),
    client.range(one(coordinationKeys.leader)),
  ]);
  const leaderId = idIn(leader.kvs[0]?.value);
  return kvs
    .map(({ key, value }) => memberIn(key.toString().slice(PREFIX.length), value))
    .map((instance) => ({ ...instance, leader: instance.id === leaderId }))
    .sort((a, b) => a.startedAt.getTime() - b.startedAt.getTime());
}

/** What an instance says of itself, as it is written down. Versions of before say nothing of Redis. */
export function memberIn(id: string, value: Buffer): Instance {
  const said = JSON.parse(value.toString()) as Partial<Record<keyof Instance, string | boolean>>;
  return {
    id,
    address: String(said.address ?? ''),
    version: String(said.version ?? ''),
    startedAt: new Date(String(said.startedAt ?? 0)),
    redis: said.redis !== false,
  };
}

function idIn(value: Buffer | undefined): string | null {
  return value ? (JSON.parse(value.toString()) as { id: string }).id : null;
}
