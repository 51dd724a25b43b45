/** Storage pools as inputs of the API. Limits are checked in pool-input.ts. */
import { builder } from '../../graphql/builder.js';
import { VolumeProvisioningEnum } from './queries.js';
import { AccessModeEnum } from './volume-spec-schema.js';

const required = (description: string) => ({ required: true as const, description });

export const QosInput = builder.inputType('StorageQosInput', {
  description: 'Limits of a volume; what is not given is unlimited.',
  fields: (t) => ({
    maxIops: t.int({ description: 'Operations in a second.' }),
    maxThroughputBytes: t.field({ type: 'BigInt', description: 'Bytes in a second.' }),
  }),
});

export const DefaultsInput = builder.inputType('StoragePoolDefaultsInput', {
  description: 'What a volume gets when its creator does not say.',
  fields: (t) => ({
    provisioning: t.field({
      type: VolumeProvisioningEnum,
      description: 'When it takes its space; THIN if not given.',
    }),
    accessMode: t.field({
      type: AccessModeEnum,
      description: 'How many virtual machines may use it; READ_WRITE_ONCE if not given.',
    }),
  }),
});

const Ceph = builder.inputType('CephBackendInput', {
  description: 'A pool of a Ceph cluster.',
  fields: (t) => ({
    monitors: t.stringList(required('Addresses of its monitors; at least one.')),
    poolName: t.string(required('Name of the pool in the Ceph cluster.')),
    user: t.string(required('The Ceph user; its key is on the nodes.')),
  }),
});

const Lvm = builder.inputType('LvmBackendInput', {
  description: 'A volume group of LVM.',
  fields: (t) => ({
    volumeGroup: t.string(required('Name of the volume group.')),
    thinPool: t.string({ description: 'The thin pool in it; thin volumes need one.' }),
  }),
});

const Directory = builder.inputType('DirectoryBackendInput', {
  description: 'A directory of a hypervisor node.',
  fields: (t) => ({ path: t.string(required('Its absolute path.')) }),
});

const Nfs = builder.inputType('NfsBackendInput', {
  description: 'An export of an NFS server.',
  fields: (t) => ({
    server: t.string(required('Host name or address of the server.')),
    exportPath: t.string(required('The exported path.')),
    version: t.string({ description: '3, 4, 4.0, 4.1 or 4.2; without one, what both agree on.' }),
  }),
});

const Iscsi = builder.inputType('IscsiBackendInput', {
  description: 'A logical unit of an iSCSI target.',
  fields: (t) => ({
    portal: t.string(required('Address and port of the portal.')),
    target: t.string(required('Qualified name of the target.')),
    lun: t.int(required('Number of the logical unit.')),
    chapUser: t.string({ description: 'The user of CHAP authentication.' }),
    chapPassword: t.string({ description: 'Its password: kept encrypted, and never shown.' }),
  }),
});

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of the mutation
export const backendFields = (t: any) => ({
  ceph: t.field({ type: Ceph, description: 'For CEPH_RBD and CEPH_CEPHFS.' }),
  lvm: t.field({ type: Lvm, description: 'For LOCAL_LVM.' }),
  directory: t.field({ type: Directory, description: 'For LOCAL_DIR.' }),
  nfs: t.field({ type: Nfs, description: 'For NFS.' }),
  iscsi: t.field({ type: Iscsi, description: 'For ISCSI.' }),
});
