/** The demo's security groups, one of them the default of each project, and their rules. */
import type { Prisma } from '../../gen/client/client.js';
import { type Ago, demoId } from './ids.js';
import { PROJECTS, type ProjectName, projectId } from './projects.js';

export type GroupName =
  | 'default' | 'ssh' | 'web' | 'app' | 'database' | 'compute'
  | 'notebooks' | 'dns' | 'monitoring' | 'git' | 'bastion'; // biome-ignore format: a list

export const groupId = (project: ProjectName, name: GroupName): string =>
  demoId('SecurityGroup', `${project}/${name}`);

/** Where from, or to: everywhere, a network, or another group of the same project. */
type Remote = 'any' | { readonly cidr: string } | { readonly group: GroupName };

interface RulePlan {
  readonly protocol: 'TCP' | 'UDP' | 'ICMP' | 'ANY';
  readonly ports?: readonly [min: number, max: number];
  readonly remote: Remote;
  readonly about: string;
  readonly direction?: 'INGRESS' | 'EGRESS';
  readonly action?: 'ALLOW' | 'DENY';
  readonly priority?: number;
}

const MANAGEMENT = { cidr: '10.10.0.0/24' };
const PRODUCTION = { cidr: '10.100.0.0/22' };

const DEFAULT_RULES: readonly RulePlan[] = [
  { protocol: 'ANY', remote: { group: 'default' }, about: 'Members reach each other.' },
  { protocol: 'ANY', remote: 'any', direction: 'EGRESS', about: 'Everything may be reached.' },
];
const SSH_RULES: readonly RulePlan[] = [
  {
    protocol: 'TCP',
    ports: [22, 22],
    remote: MANAGEMENT,
    about: 'SSH, from the management network only.',
  },
  { protocol: 'ICMP', remote: MANAGEMENT, about: 'Echo requests of the monitoring.' },
];
const WEB_RULES: readonly RulePlan[] = [
  { protocol: 'TCP', ports: [80, 80], remote: 'any', about: 'HTTP, which only redirects.' },
  { protocol: 'TCP', ports: [443, 443], remote: 'any', about: 'HTTPS.' },
  { protocol: 'UDP', ports: [443, 443], remote: 'any', about: 'HTTP/3.' },
  {
    protocol: 'TCP',
    ports: [80, 443],
    remote: { cidr: '198.51.100.0/24' },
    action: 'DENY',
    priority: 10,
    about: 'A range that only ever scanned us.',
  },
];

interface GroupPlan {
  readonly project: ProjectName;
  readonly name: GroupName;
  readonly days: number;
  readonly description: string;
  readonly rules: readonly RulePlan[];
}

const common = PROJECTS.flatMap(({ name: project, days }): GroupPlan[] => [
  {
    project,
    name: 'default',
    days,
    description: 'Applies to virtual machines that name no group.',
    rules: DEFAULT_RULES,
  },
  {
    project,
    name: 'ssh',
    days: days - 0.1,
    description: 'Administration from the management network.',
    rules: SSH_RULES,
  },
]);

// biome-ignore format: a table
const GROUPS: readonly GroupPlan[] = [
  ...common,
  { project: 'web-shop', name: 'web', days: 48.5, description: 'What customers reach.', rules: WEB_RULES },
  { project: 'web-shop', name: 'app', days: 48.4, description: 'Services behind the storefront.', rules: [
    { protocol: 'TCP', ports: [8080, 8089], remote: { group: 'web' }, about: 'Calls of the storefront.' },
    { protocol: 'TCP', ports: [6379, 6379], remote: { group: 'app' }, about: 'The cache.' },
  ] },
  { project: 'web-shop', name: 'database', days: 48.3, description: 'PostgreSQL, for the services alone.', rules: [
    { protocol: 'TCP', ports: [5432, 5432], remote: { group: 'app' }, about: 'Queries.' },
    { protocol: 'TCP', ports: [5432, 5432], remote: { group: 'database' }, about: 'Replication.' },
    { protocol: 'ANY', remote: { cidr: '203.0.113.0/24' }, direction: 'EGRESS', action: 'DENY', priority: 20, about: 'Databases never talk to the outside.' },
  ] },
  { project: 'analytics', name: 'compute', days: 46.2, description: 'Workers among themselves.', rules: [
    { protocol: 'TCP', ports: [7000, 7999], remote: { group: 'compute' }, about: 'Shuffles and control.' },
    { protocol: 'TCP', ports: [5432, 5432], remote: { group: 'compute' }, about: 'The warehouse.' },
  ] },
  { project: 'analytics', name: 'notebooks', days: 41.0, description: 'Notebooks in the browser.', rules: [
    { protocol: 'TCP', ports: [8888, 8888], remote: PRODUCTION, about: 'Only from inside.' },
  ] },
  { project: 'analytics', name: 'web', days: 38.5, description: 'Dashboards for everybody in the house.', rules: [
    { protocol: 'TCP', ports: [443, 443], remote: PRODUCTION, about: 'HTTPS, only from inside.' },
  ] },
  { project: 'platform', name: 'dns', days: 54.8, description: 'Name servers.', rules: [
    { protocol: 'UDP', ports: [53, 53], remote: { cidr: '10.0.0.0/8' }, about: 'Queries.' },
    { protocol: 'TCP', ports: [53, 53], remote: { cidr: '10.0.0.0/8' }, about: 'Long answers and zone transfers.' },
  ] },
  { project: 'platform', name: 'monitoring', days: 54.7, description: 'Metrics and their dashboards.', rules: [
    { protocol: 'TCP', ports: [9090, 9100], remote: MANAGEMENT, about: 'Collectors.' },
    { protocol: 'TCP', ports: [3000, 3000], remote: MANAGEMENT, about: 'Dashboards.' },
  ] },
  { project: 'platform', name: 'git', days: 54.6, description: 'Source code over HTTPS and SSH.', rules: [
    { protocol: 'TCP', ports: [443, 443], remote: PRODUCTION, about: 'HTTPS.' },
    { protocol: 'TCP', ports: [2222, 2222], remote: PRODUCTION, about: 'SSH.' },
  ] },
  { project: 'platform', name: 'bastion', days: 54.5, description: 'The one way in from outside.', rules: [
    { protocol: 'TCP', ports: [22, 22], remote: { cidr: '192.0.2.0/24' }, about: 'SSH from the office.' },
    { protocol: 'TCP', ports: [22, 22], remote: { cidr: '2001:db8:40::/48' }, about: 'SSH from the office, over IPv6.' },
  ] },
];

export function groupRows(ago: Ago): Prisma.SecurityGroupCreateManyInput[] {
  return GROUPS.map(({ project, name, days, description }) => ({
    id: groupId(project, name),
    name,
    description,
    projectId: projectId(project),
    isDefault: name === 'default',
    createdAt: ago(days),
    updatedAt: ago(days),
  }));
}

export function ruleRows(ago: Ago): Prisma.SecurityRuleCreateManyInput[] {
  return GROUPS.flatMap(({ project, name, days, rules }) =>
    rules.map(({ protocol, ports, remote, about, ...plan }, index) => ({
      id: demoId('SecurityRule', `${project}/${name}/${index}`),
      securityGroupId: groupId(project, name),
      direction: plan.direction ?? 'INGRESS',
      protocol,
      portRangeMin: ports?.[0] ?? null,
      portRangeMax: ports?.[1] ?? null,
      remoteCidr: typeof remote === 'object' && 'cidr' in remote ? remote.cidr : null,
      remoteGroupId:
        typeof remote === 'object' && 'group' in remote ? groupId(project, remote.group) : null,
      action: plan.action ?? 'ALLOW',
      priority: plan.priority ?? 100,
      description: about,
      createdAt: ago(days),
      updatedAt: ago(days),
    })),
  );
}
