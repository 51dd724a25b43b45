/** Every etcd key, built here and nowhere else. */
const PREFIX = '/quantix';

export const coordinationKeys = {
  leader: `${PREFIX}/leader`,
  lock: (resource: string) => `${PREFIX}/locks/${resource}`,
  member: (id: string) => `${PREFIX}/members/${id}`,
  config: (key: string) => `${PREFIX}/config/${key}`,
} as const;
