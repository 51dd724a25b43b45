/** The demo's clusters. */
import type { Prisma } from '../../gen/client/client.js';
import { type Ago, demoId } from './ids.js';

export type ClusterName = 'production' | 'development';

export const clusterId = (name: ClusterName): string => demoId('Cluster', name);

type ClusterPlan = Omit<Prisma.ClusterCreateManyInput, 'id' | 'createdAt' | 'updatedAt'> & {
  name: ClusterName;
};

const CLUSTERS: readonly ClusterPlan[] = [
  {
    name: 'production',
    description: 'Everything that customers notice. Spans both racks.',
    haEnabled: true,
    drsEnabled: true,
    // initial placement is automatic; migrations wait for somebody to approve them
    drsAutomation: 'PARTIAL',
    version: 2,
  },
  {
    name: 'development',
    description: 'Staging, builds and experiments, GPUs included. May be interrupted.',
    haEnabled: false,
    drsEnabled: false,
    drsAutomation: 'MANUAL',
    version: 1,
  },
];

export function clusterRows(ago: Ago): Prisma.ClusterCreateManyInput[] {
  return CLUSTERS.map((cluster, index) => ({
    id: clusterId(cluster.name),
    ...cluster,
    createdAt: ago(57 - index),
    updatedAt: ago(cluster.drsEnabled ? 28 : 57 - index),
  }));
}
