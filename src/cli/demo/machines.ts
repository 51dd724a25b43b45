/** The demo's virtual machines as tables: what each application needs, and which machines serve it. */
import type { PowerState } from '../../gen/client/enums.js';
import type { ImageName } from './images.js';
import type { NetworkName } from './networks.js';
import type { NodeName } from './nodes.js';
import type { ProjectName } from './projects.js';
import type { GroupName } from './security.js';
import type { PoolName } from './storage.js';

export interface App {
  readonly project: ProjectName;
  readonly tier: string;
  readonly image: ImageName;
  readonly vcpus: number;
  readonly memoryGib: number;
  /** Sizes in GiB: the disk that it boots from, then its data. */
  readonly disks: readonly [root: number, data?: number];
  /** `ceph-ssd` when not given. */
  readonly pool?: PoolName;
  readonly networks: readonly NetworkName[];
  readonly groups: readonly GroupName[];
  /** 1 restarts first after a node was lost; 3 when not given. */
  readonly haPriority?: number;
  /** Whether its machines must never share a node. */
  readonly apart?: boolean;
  /** The one node that has what it needs. */
  readonly boundTo?: NodeName;
  readonly isProtected?: boolean;
  readonly about: string;
}

export type AppName =
  | 'dns' | 'bastion' | 'monitoring' | 'git' | 'ci'
  | 'storefront' | 'shop-api' | 'shop-db' | 'shop-cache' | 'shop-search' | 'erp'
  | 'spark' | 'warehouse' | 'notebook' | 'trainer' | 'etl' | 'dashboards'; // biome-ignore format: a list

// biome-ignore format: a table
export const APPS: Readonly<Record<AppName, App>> = {
  dns: { project: 'platform', tier: 'infra', image: 'alpine-3-22', vcpus: 2, memoryGib: 2, disks: [10], networks: ['production', 'management'], groups: ['dns', 'ssh'], haPriority: 1, apart: true, isProtected: true, about: 'Name server' },
  bastion: { project: 'platform', tier: 'infra', image: 'alpine-3-22', vcpus: 2, memoryGib: 4, disks: [10], networks: ['external', 'management'], groups: ['bastion'], haPriority: 2, isProtected: true, about: 'The way in for administrators' },
  monitoring: { project: 'platform', tier: 'infra', image: 'debian-13', vcpus: 8, memoryGib: 64, disks: [40, 800], networks: ['management'], groups: ['monitoring', 'ssh'], haPriority: 2, about: 'Metrics of the last ninety days' },
  git: { project: 'platform', tier: 'app', image: 'debian-13', vcpus: 8, memoryGib: 32, disks: [60, 600], networks: ['production'], groups: ['git', 'ssh'], isProtected: true, about: 'Source code and reviews' },
  ci: { project: 'platform', tier: 'worker', image: 'ubuntu-24-04', vcpus: 16, memoryGib: 64, disks: [120], networks: ['production'], groups: ['default', 'ssh'], haPriority: 5, about: 'Builds and tests' },
  storefront: { project: 'web-shop', tier: 'web', image: 'debian-13', vcpus: 4, memoryGib: 8, disks: [40], networks: ['external', 'production'], groups: ['web', 'ssh'], haPriority: 2, about: 'Pages of the shop' },
  'shop-api': { project: 'web-shop', tier: 'app', image: 'debian-13', vcpus: 8, memoryGib: 16, disks: [60], networks: ['production'], groups: ['app', 'ssh'], haPriority: 2, about: 'Baskets, orders and payments' },
  'shop-db': { project: 'web-shop', tier: 'database', image: 'rocky-9', vcpus: 16, memoryGib: 128, disks: [80, 2_048], networks: ['production', 'storage'], groups: ['database', 'ssh'], haPriority: 1, apart: true, isProtected: true, about: 'PostgreSQL of the shop' },
  'shop-cache': { project: 'web-shop', tier: 'cache', image: 'alpine-3-22', vcpus: 4, memoryGib: 32, disks: [20], networks: ['production'], groups: ['app', 'ssh'], about: 'Sessions and rendered pages' },
  'shop-search': { project: 'web-shop', tier: 'app', image: 'debian-13', vcpus: 8, memoryGib: 64, disks: [60, 500], networks: ['production'], groups: ['app', 'ssh'], about: 'Search over the catalogue' },
  erp: { project: 'web-shop', tier: 'app', image: 'windows-2025', vcpus: 8, memoryGib: 32, disks: [200], networks: ['production'], groups: ['default'], haPriority: 4, about: 'Accounting, being installed' },
  spark: { project: 'analytics', tier: 'worker', image: 'ubuntu-24-04', vcpus: 32, memoryGib: 128, disks: [100, 1_000], networks: ['analytics-overlay', 'storage'], groups: ['compute', 'ssh'], haPriority: 4, about: 'Batch processing' },
  warehouse: { project: 'analytics', tier: 'database', image: 'ubuntu-24-04', vcpus: 16, memoryGib: 128, disks: [80, 4_096], networks: ['analytics-overlay', 'storage'], groups: ['compute', 'ssh'], haPriority: 2, isProtected: true, about: 'Everything that was ever sold, in columns' },
  notebook: { project: 'analytics', tier: 'worker', image: 'cuda-workbench', vcpus: 16, memoryGib: 128, disks: [200], pool: 'local-nvme', networks: ['analytics-overlay'], groups: ['notebooks', 'ssh'], haPriority: 5, boundTo: 'hv-b03', about: 'Notebooks with a GPU' },
  trainer: { project: 'analytics', tier: 'worker', image: 'cuda-workbench', vcpus: 24, memoryGib: 192, disks: [200, 1_500], pool: 'local-nvme', networks: ['analytics-overlay'], groups: ['compute', 'ssh'], haPriority: 5, boundTo: 'hv-b03', about: 'Trains the recommendation model, at night' },
  etl: { project: 'analytics', tier: 'worker', image: 'ubuntu-24-04', vcpus: 8, memoryGib: 32, disks: [60], networks: ['analytics-overlay'], groups: ['compute', 'ssh'], haPriority: 4, about: 'Loads the warehouse, once a day' },
  dashboards: { project: 'analytics', tier: 'web', image: 'debian-13', vcpus: 4, memoryGib: 16, disks: [40], networks: ['analytics-overlay', 'production'], groups: ['web', 'ssh'], about: 'Figures for everybody' },
};

export type MachineName =
  | 'dns-01' | 'dns-02' | 'bastion-01' | 'monitoring-01' | 'git-01' | 'ci-runner-01' | 'ci-runner-02'
  | 'shop-web-01' | 'shop-web-02' | 'shop-staging-01' | 'shop-api-01' | 'shop-api-02' | 'shop-db-01' | 'shop-db-02'
  | 'shop-cache-01' | 'shop-search-01' | 'shop-erp-01'
  | 'spark-01' | 'spark-02' | 'warehouse-01' | 'notebook-01' | 'trainer-01' | 'etl-01' | 'dashboards-01'; // biome-ignore format: a list

export interface Machine {
  readonly name: MachineName;
  readonly app: AppName;
  readonly env: 'prod' | 'staging' | 'test' | 'dev';
  readonly power: PowerState;
  readonly node: NodeName | null;
  /** Days since it was made, and since it last changed. */
  readonly days: readonly [made: number, changed: number];
  /** What its agent last said of it. */
  readonly message?: string;
}

// Addresses are handed out in this order: the two name servers must stay first (see networks.ts).
// biome-ignore format: a table
export const MACHINES: readonly Machine[] = [
  { name: 'dns-01', app: 'dns', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [54.4, 21.2] },
  { name: 'dns-02', app: 'dns', env: 'prod', power: 'RUNNING', node: 'hv-b01', days: [54.3, 21.1] },
  { name: 'bastion-01', app: 'bastion', env: 'prod', power: 'RUNNING', node: 'hv-b01', days: [54.1, 12.7] },
  { name: 'monitoring-01', app: 'monitoring', env: 'prod', power: 'RUNNING', node: 'hv-a02', days: [53.6, 30.4] },
  { name: 'git-01', app: 'git', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [52.8, 6.1] },
  { name: 'ci-runner-01', app: 'ci', env: 'dev', power: 'RUNNING', node: 'hv-a03', days: [50.2, 4.5] },
  { name: 'ci-runner-02', app: 'ci', env: 'dev', power: 'STOPPED', node: 'hv-a03', days: [36.9, 1.4] },
  { name: 'shop-web-01', app: 'storefront', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [47.5, 9.3] },
  { name: 'shop-web-02', app: 'storefront', env: 'prod', power: 'RUNNING', node: 'hv-b01', days: [47.4, 9.2] },
  { name: 'shop-staging-01', app: 'storefront', env: 'staging', power: 'PAUSED', node: 'hv-a03', days: [31.7, 0.9], message: 'Paused by an operator.' },
  { name: 'shop-api-01', app: 'shop-api', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [47.1, 8.8] },
  { name: 'shop-api-02', app: 'shop-api', env: 'prod', power: 'RUNNING', node: 'hv-b01', days: [47, 5.1] },
  { name: 'shop-db-01', app: 'shop-db', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [46.6, 14.2] },
  { name: 'shop-db-02', app: 'shop-db', env: 'prod', power: 'RUNNING', node: 'hv-b01', days: [46.5, 14.1] },
  { name: 'shop-cache-01', app: 'shop-cache', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [45.9, 17.6] },
  { name: 'shop-search-01', app: 'shop-search', env: 'prod', power: 'CRASHED', node: 'hv-a02', days: [39.8, 0.12], message: 'The guest stopped with a kernel panic: out of memory.' },
  { name: 'shop-erp-01', app: 'erp', env: 'test', power: 'STOPPED', node: null, days: [1.1, 1.1] },
  { name: 'spark-01', app: 'spark', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [44.6, 3.3] },
  { name: 'spark-02', app: 'spark', env: 'prod', power: 'RUNNING', node: 'hv-b01', days: [44.5, 3.2] },
  { name: 'warehouse-01', app: 'warehouse', env: 'prod', power: 'RUNNING', node: 'hv-a01', days: [43.9, 19.5] },
  { name: 'notebook-01', app: 'notebook', env: 'dev', power: 'RUNNING', node: 'hv-b03', days: [39.2, 2.2] },
  { name: 'trainer-01', app: 'trainer', env: 'dev', power: 'SUSPENDED', node: 'hv-b03', days: [26.3, 0.6], message: 'Suspended to disk until the night.' },
  { name: 'etl-01', app: 'etl', env: 'prod', power: 'STOPPED', node: 'hv-a02', days: [37.4, 0.4] },
  { name: 'dashboards-01', app: 'dashboards', env: 'prod', power: 'UNKNOWN', node: 'hv-a01', days: [37.8, 0.02], message: 'The agent of hv-a01 does not report this machine any more.' },
];
