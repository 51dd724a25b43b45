/** How a storage pool is described by its creator: one backend, which fits its type. Pure. */
import { z } from 'zod';
import { hostname, ipAddress, optional } from '../../core/input.js';
import { ValidationError } from '../../errors.js';
import type { PoolType } from '../../gen/client/enums.js';
import { BACKEND_OF, type BackendKind, POOL_DEFAULTS } from './pool-spec.js';
import { QOS } from './volume-spec.js';

/** Names and addresses go to tools of the node as arguments: none may look like an option, a path or two words. */
const word = z
  .string()
  .regex(
    /^[A-Za-z0-9_[][A-Za-z0-9_.:+@[\]-]{0,254}$/,
    'must have 1 to 255 letters, digits or _ . : + @ [ ] -, and not begin with a hyphen',
  );
const path = z
  .string()
  .max(1024, 'must have at most 1,024 characters')
  .regex(/^\/(?!(.*\/)?\.\.(\/|$))/, 'must be an absolute path without ".."');

export const chapPassword = z.string().min(1).max(255, 'must have at most 255 characters');

const BACKEND_INPUTS = {
  ceph: z.object({ monitors: z.array(word).min(1).max(64), poolName: word, user: word }),
  lvm: z.object({ volumeGroup: word, thinPool: optional(word) }),
  directory: z.object({ path }),
  nfs: z.object({
    server: z.union([hostname, ipAddress], 'must be a host name or an address'),
    exportPath: path,
    version: optional(z.enum(['3', '4', '4.0', '4.1', '4.2'])),
  }),
  iscsi: z
    .object({
      portal: word,
      target: word,
      lun: z.number().int().min(0).max(16_383),
      chapUser: optional(word),
      chapPassword: optional(chapPassword),
    })
    .refine((iscsi) => !iscsi.chapPassword || iscsi.chapUser, {
      path: ['chapUser'],
      message: 'is needed with a password',
    }),
};

/** One optional field for each kind of backend. */
export const backendInputs = {
  ceph: optional(BACKEND_INPUTS.ceph),
  lvm: optional(BACKEND_INPUTS.lvm),
  directory: optional(BACKEND_INPUTS.directory),
  nfs: optional(BACKEND_INPUTS.nfs),
  iscsi: optional(BACKEND_INPUTS.iscsi),
};

type Field = keyof typeof BACKEND_INPUTS;
type Backends = { readonly [F in Field]?: z.output<(typeof BACKEND_INPUTS)[F]> | undefined };

const FIELD_OF: Readonly<Record<BackendKind, Field>> = {
  CEPH: 'ceph',
  LVM: 'lvm',
  DIRECTORY: 'directory',
  NFS: 'nfs',
  ISCSI: 'iscsi',
};

export const defaultsInput = z.object({
  provisioning: optional(POOL_DEFAULTS.provisioning),
  accessMode: optional(POOL_DEFAULTS.accessMode),
});

export const qosInput = z.object({
  maxIops: optional(QOS.maxIops),
  maxThroughputBytes: optional(QOS.maxThroughputBytes),
});

/** The backend that goes with the type. Throws ValidationError for one that is missing, and for each that does not belong. */
export function backendFor(poolType: PoolType, given: Backends): Record<string, unknown> {
  const needed = FIELD_OF[BACKEND_OF[poolType]];
  const strays = Object.values(FIELD_OF).filter((field) => given[field] && field !== needed);
  const issues = strays.map((field) => ({
    path: [field],
    message: `does not go with ${poolType}; give ${needed} instead`,
  }));
  const backend = given[needed];
  if (!backend) issues.push({ path: [needed], message: `is needed for ${poolType}` });
  if (issues.length > 0 || !backend) throw new ValidationError(issues);
  return backend;
}

/** Data on disks of one node is not to be had on any other: such a pool has to say where it is. */
export function checkNodesOf(poolType: PoolType, nodeIds: readonly string[]): void {
  if (nodeIds.length > 0 || (poolType !== 'LOCAL_LVM' && poolType !== 'LOCAL_DIR')) return;
  throw ValidationError.of(['nodeIds'], `a pool of the type ${poolType} needs at least one node`);
}
