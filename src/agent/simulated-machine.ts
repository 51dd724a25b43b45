/**
 * A node that does not exist, but behaves like one that works: its load is what its simulated guests use, plus
 * housekeeping that follows the day, plus noise. Everything follows from the seed, the guests and the time.
 */
import { dayCurve, fractionOf, hash32, wander } from './noise.js';
import { hardwareFor } from './simulated-hardware.js';
import type { Workload } from './simulated-hypervisor.js';
import type { Machine, NodeMetrics, NodeSpec, NodeSystemInfo, TimeSource } from './types.js';

export interface SimulatedMachineOptions {
  /** Usually the node's hostname. */
  seed: string;
  /** What the guests use now; usually the simulated hypervisor's `workload`. */
  workload: () => Workload;
  systemInfo: Pick<NodeSystemInfo, 'agentVersion' | 'hypervisorVersion'> & Partial<NodeSystemInfo>;
  /** Replaces the hardware that the seed stands for. */
  spec?: NodeSpec;
  clock?: TimeSource;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Simulated nodes were last restarted, for new firmware, at most this long before they were made. */
const MAINTENANCE_CYCLE_MS = 97 * DAY_MS;

const MEBIBYTE = 1024 ** 2;

/** Makes a simulated node. Two with the same seed, guests and time report the same figures. */
export function createSimulatedMachine(options: SimulatedMachineOptions): Machine {
  const { seed, workload } = options;
  const clock = options.clock ?? { now: () => Date.now() };
  const spec = structuredClone(options.spec ?? hardwareFor(seed));
  const systemInfo: NodeSystemInfo = {
    os: 'Alpine Linux v3.22',
    kernel: '6.12.38-0-lts',
    architecture: 'x86_64',
    ...options.systemInfo,
  };
  const createdAtMs = clock.now();
  const offsetMs = Math.floor(fractionOf(`${seed}/boot`) * MAINTENANCE_CYCLE_MS);
  const bootedAtMs = createdAtMs - ((createdAtMs + offsetMs) % MAINTENANCE_CYCLE_MS);
  let closed = false;

  return {
    async read() {
      if (closed) throw new Error('the simulated machine is closed');
      const atMs = clock.now();
      const metrics = measure({ seed, spec, atMs, bootedAtMs, workload: workload() });
      return structuredClone({ spec, systemInfo, metrics });
    },
    close() {
      closed = true;
    },
  };
}

interface Moment {
  seed: string;
  spec: NodeSpec;
  atMs: number;
  bootedAtMs: number;
  workload: Workload;
}

function measure(moment: Moment): NodeMetrics {
  const { spec, atMs, workload } = moment;
  const { sockets, coresPerSocket, threadsPerCore } = spec.cpu;
  const logicalCpus = sockets * coresPerSocket * threadsPerCore;
  const runnableCpus = workload.busyCpus + logicalCpus * housekeeping(moment);
  const busyCpus = Math.min(logicalCpus, runnableCpus);
  return {
    sampledAt: new Date(atMs).toISOString(),
    cpuPercent: round((100 * busyCpus) / logicalCpus),
    memoryUsedMib: memoryUsedMib(moment),
    memoryTotalMib: spec.memory.totalMib,
    ...disk(moment),
    ...traffic(moment, busyCpus),
    // Work that finds no free CPU queues up: the load average, unlike the percentage, has no ceiling.
    loadAverage1m: round(runnableCpus * (0.9 + 0.2 * noise(moment, 'load', MINUTE_MS))),
    uptimeSeconds: Math.max(0, Math.floor((atMs - moment.bootedAtMs) / SECOND_MS)),
  };
}

/** The share of all CPUs that the node needs for itself: 1 to 5 percent. */
function housekeeping(moment: Moment): number {
  return 0.01 + 0.02 * dayCurve(moment.atMs) + 0.02 * noise(moment, 'host', 20 * SECOND_MS);
}

function memoryUsedMib(moment: Moment): number {
  const { totalMib } = moment.spec.memory;
  const kernelAndServices = 1_024 + totalMib * (0.01 + 0.005 * noise(moment, 'memory', HOUR_MS));
  return Math.min(totalMib, Math.round(kernelAndServices + moment.workload.memoryUsedMib));
}

function disk(moment: Moment): Pick<NodeMetrics, 'diskUsedGib' | 'diskTotalGib'> {
  const totalGib = moment.spec.storage.reduce((sum, { sizeGib }) => sum + sizeGib, 0);
  const settled = 0.2 + 0.4 * fractionOf(`${moment.seed}/disk`);
  const breathing = 0.01 * noise(moment, 'disk', 12 * HOUR_MS);
  return { diskUsedGib: round(totalGib * (settled + breathing)), diskTotalGib: totalGib };
}

type Traffic = Pick<
  NodeMetrics,
  | 'diskReadBytesPerSecond'
  | 'diskWriteBytesPerSecond'
  | 'networkReceiveBytesPerSecond'
  | 'networkTransmitBytesPerSecond'
>;

/** Disk and network follow the work that is done, each with a rhythm of its own. */
function traffic(moment: Moment, busyCpus: number): Traffic {
  const rate = (what: string, mebibytesPerBusyCpu: number): number =>
    Math.round(
      MEBIBYTE * busyCpus * mebibytesPerBusyCpu * (0.4 + 1.2 * noise(moment, what, 25 * SECOND_MS)),
    );
  const linkBytesPerSecond = moment.spec.networks.reduce(
    (sum, { speedMbps }) => sum + ((speedMbps ?? 0) * 1_000_000) / 8,
    0,
  );
  return {
    diskReadBytesPerSecond: rate('read', 2),
    diskWriteBytesPerSecond: rate('write', 1.2),
    networkReceiveBytesPerSecond: Math.min(linkBytesPerSecond, rate('receive', 1.5)),
    networkTransmitBytesPerSecond: Math.min(linkBytesPerSecond, rate('transmit', 1.1)),
  };
}

function noise(moment: Moment, what: string, periodMs: number): number {
  return wander(hash32(`${moment.seed}/${what}`), moment.atMs, periodMs);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
