/** What `storage_pools.spec` holds: `{ backend, defaults, qos }`, the backend's fields following from the pool's type. Pure. */
import { z } from 'zod';
import { type Part, readKey, readPart } from '../../core/json-part.js';
import type { PoolType } from '../../gen/client/enums.js';
import { ACCESS_MODES, QOS, type Qos } from './volume-spec.js';

const word = z.string().min(1).max(255);
const path = z.string().min(1).max(1024);

/** The public fields of each kind of backend. */
export const BACKENDS = {
  CEPH: { monitors: z.array(word).max(64), poolName: word, user: word },
  LVM: { volumeGroup: word, thinPool: word },
  DIRECTORY: { path },
  NFS: { server: word, exportPath: path, version: z.string().min(1).max(15) },
  ISCSI: { portal: word, target: word, lun: z.number().int().min(0).max(16_383), chapUser: word },
} as const;

export type BackendKind = keyof typeof BACKENDS;

/** Keys beside the public ones that hold secrets: encrypted at rest, never read back. */
export const BACKEND_SECRETS = { ISCSI: ['chapPassword'] } as const;

export const BACKEND_OF: Readonly<Record<PoolType, BackendKind>> = {
  CEPH_RBD: 'CEPH',
  CEPH_CEPHFS: 'CEPH',
  LOCAL_LVM: 'LVM',
  LOCAL_DIR: 'DIRECTORY',
  NFS: 'NFS',
  ISCSI: 'ISCSI',
};

/** What a volume gets when its creator does not say. */
export const POOL_DEFAULTS = {
  provisioning: z.enum(['THIN', 'THICK_LAZY', 'THICK_EAGER']),
  accessMode: z.enum(ACCESS_MODES),
} as const;

export type PoolDefaults = Part<typeof POOL_DEFAULTS>;

type BackendPart<K extends BackendKind> = { readonly kind: K } & Part<(typeof BACKENDS)[K]>;
export type CephBackend = BackendPart<'CEPH'>;
export type LvmBackend = BackendPart<'LVM'>;
export type DirectoryBackend = BackendPart<'DIRECTORY'>;
export type NfsBackend = BackendPart<'NFS'>;
/** `chapPasswordSet`: all that is told of the secret. */
export type IscsiBackend = BackendPart<'ISCSI'> & { readonly chapPasswordSet: boolean };
export type Backend = CephBackend | LvmBackend | DirectoryBackend | NfsBackend | IscsiBackend;

export interface PoolSpec {
  readonly backend: Backend;
  readonly defaults: PoolDefaults;
  /** Limits of each volume of the pool. */
  readonly qos: Qos;
}

/** Reads a stored spec; parts that are missing or of another shape are null. */
export function readPoolSpec(poolType: PoolType, json: unknown): PoolSpec {
  return {
    backend: readBackend(BACKEND_OF[poolType], readKey(json, 'backend')),
    defaults: readPart(POOL_DEFAULTS, readKey(json, 'defaults')),
    qos: readPart(QOS, readKey(json, 'qos')),
  };
}

function readBackend(kind: BackendKind, json: unknown): Backend {
  const backend = { kind, ...readPart(BACKENDS[kind], json) } as Backend;
  if (backend.kind !== 'ISCSI') return backend;
  const secret = readKey(json, BACKEND_SECRETS.ISCSI[0]);
  return { ...backend, chapPasswordSet: secret !== undefined && secret !== null && secret !== '' };
}
