/** Metrics in the API: the latest of nodes and virtual machines, batched into one round trip for a screen. */
import DataLoader from 'dataloader';
import { builder, type GraphQLContext } from '../../graphql/builder.js';
import { NodeRef } from '../node/schema.js';
import { VirtualMachineRef } from '../virtual-machine/schema.js';
import { type NodeMetrics, type NodeSample, readNodeSamples, type VmMetrics } from './store.js';

const NodeMetricsType = builder.objectRef<NodeMetrics>('NodeMetrics').implement({
  description: 'What a hypervisor node is doing, as its agent measured it last.',
  fields: (t) => ({
    sampledAt: t.field({
      type: 'DateTime',
      description: 'When it was measured, by the clock of the node.',
      resolve: (m) => new Date(m.sampledAt),
    }),
    cpuPercent: t.exposeFloat('cpuPercent', { description: 'Of all processors, 0 to 100.' }),
    memoryUsedMib: t.exposeFloat('memoryUsedMib', { description: 'In MiB.' }),
    memoryTotalMib: t.exposeFloat('memoryTotalMib', { description: 'In MiB.' }),
    diskUsedGib: t.exposeFloat('diskUsedGib', { description: 'In GiB.' }),
    diskTotalGib: t.exposeFloat('diskTotalGib', { description: 'In GiB.' }),
    diskReadBytesPerSecond: t.exposeFloat('diskReadBytesPerSecond', {
      description: 'Bytes a second.',
    }),
    diskWriteBytesPerSecond: t.exposeFloat('diskWriteBytesPerSecond', {
      description: 'Bytes a second.',
    }),
    networkReceiveBytesPerSecond: t.exposeFloat('networkReceiveBytesPerSecond', {
      description: 'Bytes a second.',
    }),
    networkTransmitBytesPerSecond: t.exposeFloat('networkTransmitBytesPerSecond', {
      description: 'Bytes a second.',
    }),
    loadAverage1m: t.exposeFloat('loadAverage1m', {
      description: 'Runnable processes, over one minute.',
    }),
    uptimeSeconds: t.exposeFloat('uptimeSeconds', { description: 'Since the node started.' }),
  }),
});

const VmMetricsType = builder.objectRef<VmMetrics>('VirtualMachineMetrics').implement({
  description: 'What a virtual machine is doing, as the agent of its node measured it last.',
  fields: (t) => ({
    cpuPercent: t.exposeFloat('cpuPercent', { description: 'Of its own processors, 0 to 100.' }),
    memoryUsedMib: t.exposeFloat('memoryUsedMib', { description: 'In MiB.' }),
    uptimeSeconds: t.exposeFloat('uptimeSeconds', { description: 'Since it started.' }),
  }),
});

type SampleLoader = DataLoader<string, NodeSample | null>;
const loaders = new WeakMap<GraphQLContext, SampleLoader>();

/** One loader for each request: however many nodes and machines ask, one MGET answers. Without the store there are no metrics. */
function samples(context: GraphQLContext): SampleLoader {
  const known = loaders.get(context);
  if (known) return known;
  const made: SampleLoader = new DataLoader(async (ids) => {
    try {
      return await readNodeSamples(context.services, ids);
    } catch (err) {
      context.services.log.warn({ err }, 'metrics cannot be read');
      return ids.map(() => null);
    }
  });
  loaders.set(context, made);
  return made;
}

builder.prismaObjectField(NodeRef, 'metrics', (t) =>
  t.field({
    type: NodeMetricsType,
    nullable: true,
    description: 'What it is doing; null when nothing was reported for 30 s.',
    extensions: { uncacheable: true },
    select: { id: true },
    resolve: async (node, _args, context) => (await samples(context).load(node.id))?.node ?? null,
  }),
);

builder.prismaObjectField(VirtualMachineRef, 'metrics', (t) =>
  t.field({
    type: VmMetricsType,
    nullable: true,
    description: 'What it is doing; null when its node has not reported for 30 s.',
    extensions: { uncacheable: true },
    select: { id: true, nodeId: true },
    resolve: async (vm, _args, context) =>
      vm.nodeId ? ((await samples(context).load(vm.nodeId))?.virtualMachines[vm.id] ?? null) : null,
  }),
);

export { NodeMetricsType };
