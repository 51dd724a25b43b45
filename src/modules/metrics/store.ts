/** Metrics of nodes and their virtual machines: the latest value wins, kept for 30 s where things may be lost. */
import type { Services } from '../../core/context.js';
import { ephemeralChannels, ephemeralKeys, ephemeralTtlMs } from '../../ephemeral/keys.js';

export interface NodeMetrics {
  /** ISO 8601. */
  readonly sampledAt: string;
  readonly cpuPercent: number;
  readonly memoryUsedMib: number;
  readonly memoryTotalMib: number;
  readonly diskUsedGib: number;
  readonly diskTotalGib: number;
  readonly diskReadBytesPerSecond: number;
  readonly diskWriteBytesPerSecond: number;
  readonly networkReceiveBytesPerSecond: number;
  readonly networkTransmitBytesPerSecond: number;
  readonly loadAverage1m: number;
  readonly uptimeSeconds: number;
}

export interface VmMetrics {
  readonly cpuPercent: number;
  readonly memoryUsedMib: number;
  readonly uptimeSeconds: number;
}

/** One record for each node, replaced by each report. */
export interface NodeSample {
  readonly nodeId: string;
  readonly sequence: string;
  readonly node: NodeMetrics;
  readonly virtualMachines: Readonly<Record<string, VmMetrics>>;
}

interface Reported {
  readonly nodeId: string;
  readonly sequence: bigint;
  readonly metrics: Omit<NodeMetrics, 'sampledAt'> & { readonly sampledAt: Date };
  readonly virtualMachines: readonly {
    readonly virtualMachineId: string;
    readonly cpuPercent?: number | undefined;
    readonly memoryUsedMib?: number | undefined;
    readonly uptimeSeconds?: number | undefined;
  }[];
}

export async function storeNodeMetrics(
  { ephemeral }: Pick<Services, 'ephemeral'>,
  report: Reported,
): Promise<void> {
  const sample: NodeSample = {
    nodeId: report.nodeId,
    sequence: report.sequence.toString(),
    node: { ...report.metrics, sampledAt: report.metrics.sampledAt.toISOString() },
    virtualMachines: Object.fromEntries(
      report.virtualMachines.map((vm) => [
        vm.virtualMachineId,
        {
          cpuPercent: vm.cpuPercent ?? 0,
          memoryUsedMib: vm.memoryUsedMib ?? 0,
          uptimeSeconds: vm.uptimeSeconds ?? 0,
        },
      ]),
    ),
  };
  await ephemeral.set(
    ephemeralKeys.nodeMetrics(report.nodeId),
    JSON.stringify(sample),
    ephemeralTtlMs.nodeMetrics,
  );
  await ephemeral.publish(ephemeralChannels.samples, report.nodeId); // after it: whoever hears of it reads it
}

/** The samples of many nodes in one round trip, in their order; null where nothing was reported for 30 s. */
export async function readNodeSamples(
  { ephemeral }: Pick<Services, 'ephemeral'>,
  nodeIds: readonly string[],
): Promise<(NodeSample | null)[]> {
  const texts = await ephemeral.getMany(nodeIds.map(ephemeralKeys.nodeMetrics));
  return texts.map((text) => (text === null ? null : (JSON.parse(text) as NodeSample)));
}
