/**
 * The demo's history. What was made is told from the rows themselves, what was done since from a table; together they
 * explain how the datacenter came to look as it does.
 */
import { difference } from '../../core/audit.js';
import type { Json } from '../../core/json.js';
import type { Prisma } from '../../gen/client/client.js';
import { clusterId } from './clusters.js';
import { type Ago, demoId } from './ids.js';
import { MAINTENANCE_SINCE_DAYS, nodeId } from './nodes.js';
import { type ProjectName, projectId } from './projects.js';
import { type Username, userId } from './users.js';
import { machineId } from './volumes.js';

interface Event {
  readonly at: Date;
  readonly by: Username;
  readonly action: string;
  readonly type: string;
  readonly id: string | null;
  readonly name: string;
  readonly projectId?: string | null;
  readonly status?: 'SUCCEEDED' | 'DENIED' | 'FAILED';
  readonly details: Prisma.InputJsonObject;
}

/** A row of which it is told that it was made. */
export interface Made {
  readonly id: string;
  readonly createdAt?: Date | string;
  readonly createdById?: string | null;
  readonly projectId?: string | null;
}

export interface History {
  readonly clusters: readonly (Made & { name: string })[];
  readonly nodes: readonly (Made & { hostname: string })[];
  readonly projects: readonly (Made & { name: string })[];
  readonly machines: readonly (Made & { name: string })[];
}

/** The columns that stay what they were when the row was made. */
const TOLD: readonly string[] = [
  'name', 'hostname', 'managementIp', 'description', 'labels', 'clusterId', 'projectId', 'quota', 'resources',
]; // biome-ignore format: a list

function made<R extends Made>(type: string, action: string, name: (row: R) => string) {
  return (row: R): Event => {
    const kept = Object.entries(row).filter(([column]) => TOLD.includes(column));
    return {
      at: new Date(row.createdAt ?? 0),
      by: row.createdById === userId('operator') ? 'operator' : 'admin',
      action,
      type,
      id: row.id,
      name: name(row),
      projectId: type === 'Project' ? row.id : (row.projectId ?? null),
      details: difference(null, Object.fromEntries(kept)) as Prisma.InputJsonObject,
    };
  };
}

const changed = (before: Json, after: Json): Prisma.InputJsonObject =>
  ({ before, after }) as Prisma.InputJsonObject;
const refused = (code: string, message: string): Prisma.InputJsonObject => ({
  error: { code, message },
});

type Deed = readonly [
  days: number,
  by: Username,
  action: string,
  type: string,
  id: string | null,
  name: string,
  project: ProjectName | null,
  details: Prisma.InputJsonObject,
  status?: Event['status'],
];

const POWER = (from: string, to: string) => changed({ desiredState: from }, { desiredState: to });
const FORBIDDEN = (permission: string) =>
  refused(
    'FORBIDDEN',
    `You lack the permission ${permission} here. An administrator can grant it.`,
  );

// biome-ignore format: a table
const DEEDS: readonly Deed[] = [
  [28,    'admin',    'cluster.update',           'Cluster',        clusterId('production'),     'production',      null,        changed({ drsEnabled: false, drsAutomation: 'MANUAL' }, { drsEnabled: true, drsAutomation: 'PARTIAL' })],
  [14.2,  'operator', 'virtualMachine.reboot',    'VirtualMachine', machineId('shop-db-01'),     'shop-db-01',      'web-shop',  changed({ generation: 1 }, { generation: 2 })],
  [11.4,  'viewer',   'virtualMachine.stop',      'VirtualMachine', machineId('git-01'),         'git-01',          'platform',  FORBIDDEN('vm:power'), 'DENIED'],
  [7.7,   'operator', 'virtualMachine.create',    'VirtualMachine', null,                        'spark-03',        'analytics', refused('QUOTA_EXCEEDED', "The project's quota of 160 vCPUs does not allow 32 more: 132 are in use. Free some, or ask for a larger quota."), 'FAILED'],
  [6.9,   'viewer',   'virtualMachine.delete',    'VirtualMachine', machineId('warehouse-01'),   'warehouse-01',    'analytics', FORBIDDEN('vm:delete'), 'DENIED'],
  [5.2,   'operator', 'alert.acknowledge',        'Alert',          demoId('Alert', 'pool-nearly-full/nfs-library'), 'The pool nfs-library fills up', null, changed({ acknowledged: false }, { acknowledged: true })],
  [4.4,   'operator', 'virtualMachine.delete',    'VirtualMachine', machineId('shop-db-01'),     'shop-db-01',      'web-shop',  refused('PROTECTED', 'The VirtualMachine is protected against deletion. Switch its deletion protection off first.'), 'FAILED'],
  [2.6,   'viewer',   'user.login',               'User',           userId('viewer'),            'viewer',          null,        { unchanged: true }],
  [1.4,   'admin',    'virtualMachine.stop',      'VirtualMachine', machineId('ci-runner-02'),   'ci-runner-02',    'platform',  POWER('RUNNING', 'STOPPED')],
  [0.9,   'operator', 'virtualMachine.pause',     'VirtualMachine', machineId('shop-staging-01'), 'shop-staging-01', 'web-shop', POWER('RUNNING', 'PAUSED')],
  [0.4,   'operator', 'virtualMachine.stop',      'VirtualMachine', machineId('etl-01'),         'etl-01',          'analytics', POWER('RUNNING', 'STOPPED')],
  [MAINTENANCE_SINCE_DAYS, 'admin', 'node.update', 'HypervisorNode', nodeId('hv-b02'),           'hv-b02',          null,        changed({ intent: 'IN_SERVICE' }, { intent: 'MAINTENANCE' })],
  [0.28,  'admin',    'alert.acknowledge',        'Alert',          demoId('Alert', 'node-memory/hv-a01'), 'Memory of hv-a01 is nearly exhausted', null, changed({ acknowledged: false }, { acknowledged: true })],
  [0.2,   'operator', 'user.login',               'User',           userId('operator'),          'operator',        null,        { unchanged: true }],
  [0.04,  'admin',    'user.login',               'User',           userId('admin'),             'admin',           null,        { unchanged: true }],
  [0.03,  'admin',    'drs.approve',              'DrsRecommendation', demoId('DrsRecommendation', 'MIGRATE/git-01'), 'git-01', 'platform', changed({ status: 'PENDING' }, { status: 'APPROVED' })],
];

/** Where each of them works from: the management network, or the office behind documentation addresses. */
const ORIGIN: Readonly<Record<Username, string>> = {
  admin: '10.10.0.5',
  operator: '192.0.2.17',
  viewer: '192.0.2.44',
};

/** Oldest first: the order in which they are written is the order of the change feed. */
export function auditRows(ago: Ago, history: History): Prisma.AuditEntryCreateManyInput[] {
  const events: Event[] = [
    ...history.clusters.map(made('Cluster', 'cluster.create', ({ name }) => name)),
    ...history.nodes.map(made('HypervisorNode', 'node.register', ({ hostname }) => hostname)),
    ...history.projects.map(made('Project', 'project.create', ({ name }) => name)),
    ...history.machines.map(made('VirtualMachine', 'virtualMachine.create', ({ name }) => name)),
    ...DEEDS.map(([days, by, action, type, id, name, project, details, status]): Event => {
      const owner = project && projectId(project);
      return {
        at: ago(days),
        by,
        action,
        type,
        id,
        name,
        projectId: owner,
        details,
        status: status ?? 'SUCCEEDED',
      };
    }),
  ];
  events.sort((a, b) => a.at.getTime() - b.at.getTime());
  return events.map(({ at, by, action, type, id, name, details, ...event }) => ({
    id: demoId('AuditEntry', `${action}/${name}/${by}`),
    userId: userId(by),
    actorId: userId(by),
    username: by,
    action,
    resourceType: type,
    resourceId: id,
    resourceName: name,
    details,
    ipAddress: ORIGIN[by],
    userAgent: 'Quantix Console',
    status: event.status ?? 'SUCCEEDED',
    projectId: event.projectId ?? null,
    requestId: demoId('Request', `${action}/${name}/${by}`),
    createdAt: at,
  }));
}
