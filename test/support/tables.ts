/** Where the objects of the API are in the database: for tests that compare the two without asking the code between them. */
import type { Data } from '../../src/data/client.js';
import { encodeGlobalId } from '../../src/ids.js';

export const TABLES: Readonly<Record<string, string>> = {
  Alert: 'alerts',
  ApiToken: 'api_tokens',
  AuditEntry: 'audit_log',
  Cluster: 'clusters',
  DrsRecommendation: 'drs_recommendations',
  EnrolmentToken: 'enrolment_tokens',
  HypervisorNode: 'nodes',
  Image: 'images',
  NetworkInterface: 'network_interfaces',
  Project: 'projects',
  SecurityGroup: 'security_groups',
  SecurityRule: 'security_rules',
  Session: 'sessions',
  StoragePool: 'storage_pools',
  Task: 'tasks',
  User: 'users',
  VirtualMachine: 'virtual_machines',
  VirtualMachineSnapshot: 'vm_snapshots',
  VirtualNetwork: 'virtual_networks',
  Volume: 'volumes',
};

/** The column behind each relation to one object. */
export const TO_ONE: Readonly<Record<string, string>> = {
  'Alert.acknowledgedBy': 'acknowledged_by',
  'Alert.project': 'project_id',
  'ApiToken.hypervisorNode': 'node_id',
  'ApiToken.user': 'user_id',
  'AuditEntry.user': 'user_id',
  'DrsRecommendation.appliedBy': 'applied_by',
  'DrsRecommendation.cluster': 'cluster_id',
  'DrsRecommendation.sourceNode': 'source_node_id',
  'DrsRecommendation.targetNode': 'target_node_id',
  'DrsRecommendation.virtualMachine': 'vm_id',
  'EnrolmentToken.cluster': 'cluster_id',
  'EnrolmentToken.createdBy': 'created_by',
  'HypervisorNode.cluster': 'cluster_id',
  'Image.pool': 'pool_id',
  'Image.project': 'project_id',
  'NetworkInterface.virtualMachine': 'vm_id',
  'NetworkInterface.virtualNetwork': 'network_id',
  'SecurityGroup.project': 'project_id',
  'SecurityRule.remoteGroup': 'remote_group_id',
  'SecurityRule.securityGroup': 'security_group_id',
  'Session.user': 'user_id',
  'StoragePool.project': 'project_id',
  'Task.createdBy': 'created_by',
  'Task.hypervisorNode': 'node_id',
  'Task.image': 'image_id',
  'Task.project': 'project_id',
  'Task.storagePool': 'pool_id',
  'Task.targetNode': 'target_node_id',
  'Task.virtualMachine': 'vm_id',
  'Task.volume': 'volume_id',
  'VirtualMachine.cluster': 'cluster_id',
  'VirtualMachine.createdBy': 'created_by',
  'VirtualMachine.currentSnapshot': 'current_snapshot_id',
  'VirtualMachine.hypervisorNode': 'node_id',
  'VirtualMachine.project': 'project_id',
  'VirtualMachineSnapshot.createdBy': 'created_by',
  'VirtualMachineSnapshot.parent': 'parent_id',
  'VirtualMachineSnapshot.virtualMachine': 'vm_id',
  'VirtualNetwork.project': 'project_id',
  'Volume.attachedVirtualMachine': 'attached_vm_id',
  'Volume.parent': 'parent_id',
  'Volume.pool': 'pool_id',
  'Volume.project': 'project_id',
};

/** Relations of many to many: the join table, with the column of either end. */
const JOINED: Readonly<Record<string, { table: string; from: string; to: string }>> = {
  'SecurityGroup.virtualMachines': {
    table: 'vm_security_groups',
    from: 'security_group_id',
    to: 'vm_id',
  },
  'VirtualMachine.securityGroups': {
    table: 'vm_security_groups',
    from: 'vm_id',
    to: 'security_group_id',
  },
};

/** The relation, seen from the other end, that each list of objects is made of. */
export const TO_MANY: Readonly<Record<string, string>> = {
  'Cluster.drsRecommendations': 'DrsRecommendation.cluster',
  'Cluster.nodes': 'HypervisorNode.cluster',
  'Cluster.virtualMachines': 'VirtualMachine.cluster',
  'HypervisorNode.drsRecommendationsFrom': 'DrsRecommendation.sourceNode',
  'HypervisorNode.drsRecommendationsTo': 'DrsRecommendation.targetNode',
  'HypervisorNode.tasks': 'Task.hypervisorNode',
  'HypervisorNode.virtualMachines': 'VirtualMachine.hypervisorNode',
  'Image.tasks': 'Task.image',
  'Project.alerts': 'Alert.project',
  'Project.images': 'Image.project',
  'Project.securityGroups': 'SecurityGroup.project',
  'Project.storagePools': 'StoragePool.project',
  'Project.tasks': 'Task.project',
  'Project.virtualMachines': 'VirtualMachine.project',
  'Project.virtualNetworks': 'VirtualNetwork.project',
  'Project.volumes': 'Volume.project',
  'SecurityGroup.referencedBy': 'SecurityRule.remoteGroup',
  'SecurityGroup.rules': 'SecurityRule.securityGroup',
  'SecurityGroup.virtualMachines': 'VirtualMachine.securityGroups',
  'StoragePool.images': 'Image.pool',
  'StoragePool.tasks': 'Task.storagePool',
  'StoragePool.volumes': 'Volume.pool',
  'User.acknowledgedAlerts': 'Alert.acknowledgedBy',
  'User.appliedRecommendations': 'DrsRecommendation.appliedBy',
  'User.auditEntries': 'AuditEntry.user',
  'User.createdSnapshots': 'VirtualMachineSnapshot.createdBy',
  'User.createdVirtualMachines': 'VirtualMachine.createdBy',
  'User.sessions': 'Session.user',
  'User.tasks': 'Task.createdBy',
  'VirtualMachine.drsRecommendations': 'DrsRecommendation.virtualMachine',
  'VirtualMachine.networkInterfaces': 'NetworkInterface.virtualMachine',
  'VirtualMachine.securityGroups': 'SecurityGroup.virtualMachines',
  'VirtualMachine.snapshots': 'VirtualMachineSnapshot.virtualMachine',
  'VirtualMachine.tasks': 'Task.virtualMachine',
  'VirtualMachine.volumes': 'Volume.attachedVirtualMachine',
  'VirtualNetwork.networkInterfaces': 'NetworkInterface.virtualNetwork',
  'VirtualMachineSnapshot.children': 'VirtualMachineSnapshot.parent',
  'Volume.clones': 'Volume.parent',
  'Volume.tasks': 'Task.volume',
};

/** The public ids of all rows of a type, ordered by `orderBy` (SQL). */
export async function idsIn({ db }: Data, type: string, orderBy = 'id'): Promise<string[]> {
  const sql = `SELECT id::text FROM ${TABLES[type]} ORDER BY ${orderBy}`;
  const rows = await db.$queryRawUnsafe<{ id: string }[]>(sql);
  return rows.map(({ id }) => encodeGlobalId(type, id));
}

/** Each row's public id with that of the object which a relation leads to. `relation`: a key of TO_ONE or JOINED; `end`: the type there. */
export async function referencesOf(
  { db }: Data,
  relation: string,
  end: string,
): Promise<{ from: string; to: string | null }[]> {
  const [type = ''] = relation.split('.');
  const join = JOINED[relation];
  const sql = join
    ? `SELECT ${join.from}::text AS id, ${join.to}::text AS ref FROM ${join.table}`
    : `SELECT id::text, ${TO_ONE[relation]}::text AS ref FROM ${TABLES[type]}`;
  const rows = await db.$queryRawUnsafe<{ id: string; ref: string | null }[]>(sql);
  return rows.map(({ id, ref }) => ({
    from: encodeGlobalId(type, id),
    to: ref && encodeGlobalId(end, ref),
  }));
}
