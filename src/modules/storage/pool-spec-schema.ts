/** The typed JSON of storage pools in the API. No field shows a secret. */
import { builder } from '../../graphql/builder.js';
import type {
  CephBackend,
  DirectoryBackend,
  IscsiBackend,
  LvmBackend,
  NfsBackend,
  PoolDefaults,
  PoolSpec,
} from './pool-spec.js';
import { VolumeProvisioningEnum } from './queries.js';
import { AccessModeEnum, QosType } from './volume-spec-schema.js';

const DefaultsType = builder.objectRef<PoolDefaults>('StoragePoolDefaults').implement({
  description: 'What a volume of a pool gets when its creator does not say.',
  fields: (t) => ({
    provisioning: t.expose('provisioning', {
      type: VolumeProvisioningEnum,
      nullable: true,
      description: 'When it takes its space; null: not set.',
    }),
    accessMode: t.expose('accessMode', {
      type: AccessModeEnum,
      nullable: true,
      description: 'How many virtual machines may use it; null: not set.',
    }),
  }),
});

const unset = (description: string) => ({ nullable: true as const, description });

const CephType = builder.objectRef<CephBackend>('CephBackend').implement({
  description: 'A pool of a Ceph cluster.',
  fields: (t) => ({
    monitors: t.stringList({
      description: 'Addresses of its monitors.',
      resolve: (backend) => backend.monitors ?? [],
    }),
    poolName: t.exposeString('poolName', unset('Name of the pool in the Ceph cluster.')),
    user: t.exposeString('user', unset('The Ceph user.')),
  }),
});

const LvmType = builder.objectRef<LvmBackend>('LvmBackend').implement({
  description: 'A volume group of LVM.',
  fields: (t) => ({
    volumeGroup: t.exposeString('volumeGroup', unset('Name of the volume group.')),
    thinPool: t.exposeString('thinPool', unset('The thin pool in it; null: none.')),
  }),
});

const DirectoryType = builder.objectRef<DirectoryBackend>('DirectoryBackend').implement({
  description: 'A directory of a hypervisor node.',
  fields: (t) => ({
    path: t.exposeString('path', unset('Its absolute path.')),
  }),
});

const NfsType = builder.objectRef<NfsBackend>('NfsBackend').implement({
  description: 'An export of an NFS server.',
  fields: (t) => ({
    server: t.exposeString('server', unset('Host name or address of the server.')),
    exportPath: t.exposeString('exportPath', unset('The exported path.')),
    version: t.exposeString(
      'version',
      unset('Version of the protocol; null: what server and node agree on.'),
    ),
  }),
});

const IscsiType = builder.objectRef<IscsiBackend>('IscsiBackend').implement({
  description: 'A logical unit of an iSCSI target.',
  fields: (t) => ({
    portal: t.exposeString('portal', unset('Address and port of the portal.')),
    target: t.exposeString('target', unset('Qualified name of the target.')),
    lun: t.exposeInt('lun', unset('Number of the logical unit.')),
    chapUser: t.exposeString('chapUser', unset('The user of CHAP authentication; null: none.')),
    chapPasswordSet: t.exposeBoolean('chapPasswordSet', {
      description: 'Whether a CHAP password is kept. It is never shown.',
    }),
  }),
});

const TYPES = {
  CEPH: CephType,
  LVM: LvmType,
  DIRECTORY: DirectoryType,
  NFS: NfsType,
  ISCSI: IscsiType,
};

const BackendType = builder.unionType('StorageBackend', {
  description: 'Where a storage pool keeps its data; which type follows from the type of the pool.',
  types: Object.values(TYPES),
  resolveType: (backend) => TYPES[backend.kind],
});

export const PoolSpecType = builder.objectRef<PoolSpec>('StoragePoolSpec').implement({
  description: 'How a storage pool is set up.',
  fields: (t) => ({
    backend: t.field({
      type: BackendType,
      description: 'Where it keeps its data.',
      resolve: (spec) => spec.backend,
    }),
    defaults: t.field({
      type: DefaultsType,
      description: 'What its volumes get when their creator does not say.',
      resolve: (spec) => spec.defaults,
    }),
    qos: t.field({
      type: QosType,
      description: 'Limits of each of its volumes.',
      resolve: (spec) => spec.qos,
    }),
  }),
});
