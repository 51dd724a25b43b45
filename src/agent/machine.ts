/**
 * The Linux machine this agent runs on: real figures from /proc and /sys, nothing guessed.
 *
 * Most of what Linux counts are totals since boot, so a rate needs two samples: each read compares with the one
 * before. The very first read takes two, a moment apart, rather than report zeros.
 */

import { readFile } from 'node:fs/promises';
import { machine as architecture, cpus, release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type CountersByDevice, ratePerSecond } from './counters.js';
import {
  type CpuTimes,
  countTopology,
  cpuPercentBetween,
  type Processor,
  parseCpuInfo,
  parseCpuTimes,
  ratedMhz,
  withTopology,
} from './linux-cpu.js';
import { optionalText } from './linux-files.js';
import { type InterfaceCounterName, listNetworks, parseNetDev } from './linux-network.js';
import {
  type DiskCounterName,
  diskCounters,
  diskUsage,
  listDisks,
  parseMounts,
} from './linux-storage.js';
import { firstNumber, parseMemInfo, parseOsRelease } from './linux-system.js';
import type {
  Machine,
  NodeFigures,
  NodeMetrics,
  NodeSpec,
  NodeSystemInfo,
  TimeSource,
} from './types.js';

export interface LinuxMachineOptions {
  agentVersion: string;
  hypervisorVersion: string;
  /** The folder that contains `proc`, `sys` and `etc`. */
  root?: string;
  /** For `sampledAt` only. */
  clock?: TimeSource;
  /** Measures intervals in milliseconds, and is never set back. */
  monotonic?: TimeSource;
  /** Rates over less than this are not computed anew. */
  minimumIntervalMs?: number;
  /** How long the description of the hardware may be reused: reading it costs more than a sample. */
  specMaxAgeMs?: number;
}

export interface LinuxMachine extends Machine {
  /** Finished disk operations per second in the latest interval; null before the first read. */
  diskOperations(): { readsPerSecond: number; writesPerSecond: number } | null;
}

/** Counters at one moment. */
interface Sample {
  takenAtMs: number;
  cpu: CpuTimes;
  disks: CountersByDevice<DiskCounterName>;
  interfaces: CountersByDevice<InterfaceCounterName>;
}

type Rates = Pick<
  NodeMetrics,
  | 'cpuPercent'
  | 'diskReadBytesPerSecond'
  | 'diskWriteBytesPerSecond'
  | 'networkReceiveBytesPerSecond'
  | 'networkTransmitBytesPerSecond'
>;

/** Opens the machine this process runs on. `read()` rejects where there is no Linux /proc. */
export function openLinuxMachine(options: LinuxMachineOptions): LinuxMachine {
  const root = options.root ?? '/';
  const clock = options.clock ?? { now: () => Date.now() };
  const monotonic = options.monotonic ?? { now: () => performance.now() };
  const minimumIntervalMs = options.minimumIntervalMs ?? 250;
  const specMaxAgeMs = options.specMaxAgeMs ?? 60_000;

  let closed = false;
  let reading: Promise<NodeFigures> | null = null;
  let hardware: { spec: NodeSpec; readAtMs: number } | null = null;
  let previous: Sample | null = null;
  let rates: Rates | null = null;
  let operations: ReturnType<LinuxMachine['diskOperations']> = null;

  async function currentSpec(): Promise<NodeSpec> {
    const atMs = monotonic.now();
    if (hardware === null || atMs - hardware.readAtMs >= specMaxAgeMs) {
      const spec = await readSpec(root);
      // The frequency that cpuinfo shows may be the momentary one: keep the first.
      const frequencyMhz = hardware?.spec.cpu.frequencyMhz || spec.cpu.frequencyMhz;
      hardware = { spec: { ...spec, cpu: { ...spec.cpu, frequencyMhz } }, readAtMs: atMs };
    }
    return hardware.spec;
  }

  async function updateRates(spec: NodeSpec): Promise<Rates> {
    if (previous === null) {
      previous = await takeSample(root, spec, monotonic);
      await delay(minimumIntervalMs);
    }
    const sample = await takeSample(root, spec, monotonic);
    const elapsedMs = sample.takenAtMs - previous.takenAtMs;
    if (rates !== null && elapsedMs < minimumIntervalMs) return rates;
    const { disks, interfaces } = previous;
    operations = {
      readsPerSecond: ratePerSecond('reads', disks, sample.disks, elapsedMs),
      writesPerSecond: ratePerSecond('writes', disks, sample.disks, elapsedMs),
    };
    rates = {
      cpuPercent: cpuPercentBetween(previous.cpu, sample.cpu),
      diskReadBytesPerSecond: ratePerSecond('readBytes', disks, sample.disks, elapsedMs),
      diskWriteBytesPerSecond: ratePerSecond('writtenBytes', disks, sample.disks, elapsedMs),
      networkReceiveBytesPerSecond: ratePerSecond(
        'receivedBytes',
        interfaces,
        sample.interfaces,
        elapsedMs,
      ),
      networkTransmitBytesPerSecond: ratePerSecond(
        'transmittedBytes',
        interfaces,
        sample.interfaces,
        elapsedMs,
      ),
    };
    previous = sample;
    return rates;
  }

  async function readAll(): Promise<NodeFigures> {
    const spec = await currentSpec();
    const current = await updateRates(spec);
    const mounts = parseMounts((await optionalText(join(root, 'proc/self/mountinfo'))) ?? '');
    const [memory, disk, load, uptime, systemInfo] = await Promise.all([
      readFile(join(root, 'proc/meminfo'), 'utf8').then(parseMemInfo),
      diskUsage(mounts, root),
      readFile(join(root, 'proc/loadavg'), 'utf8').then(firstNumber),
      readFile(join(root, 'proc/uptime'), 'utf8').then(firstNumber),
      readSystemInfo(root, options),
    ]);
    if (closed) throw new Error('the machine is closed');
    const metrics: NodeMetrics = {
      sampledAt: new Date(clock.now()).toISOString(),
      ...current,
      memoryUsedMib: memory.usedMib,
      memoryTotalMib: memory.totalMib,
      diskUsedGib: disk.usedGib,
      diskTotalGib: disk.totalGib,
      loadAverage1m: load,
      uptimeSeconds: Math.floor(uptime),
    };
    return { spec: structuredClone(spec), systemInfo, metrics };
  }

  return {
    read() {
      if (closed) return Promise.reject(new Error('the machine is closed'));
      // Two readers at once would cut one interval in two: they share the answer.
      reading ??= readAll().finally(() => {
        reading = null;
      });
      return reading;
    },
    diskOperations: () => (operations === null ? null : { ...operations }),
    close() {
      closed = true;
    },
  };
}

async function takeSample(root: string, spec: NodeSpec, monotonic: TimeSource): Promise<Sample> {
  const [stat, disks, netDev] = await Promise.all([
    readFile(join(root, 'proc/stat'), 'utf8'),
    diskCounters(join(root, 'proc/diskstats'), spec.storage),
    optionalText(join(root, 'proc/net/dev')),
  ]);
  const takenAtMs = monotonic.now();
  const all = parseNetDev(netDev ?? '');
  const names = new Set(spec.networks.map(({ name }) => name));
  const interfaces = new Map([...all].filter(([name]) => names.has(name)));
  return { takenAtMs, cpu: parseCpuTimes(stat), disks, interfaces };
}

async function readSpec(root: string): Promise<NodeSpec> {
  const sysCpu = join(root, 'sys/devices/system/cpu');
  const info = parseCpuInfo(await readFile(join(root, 'proc/cpuinfo'), 'utf8'));
  const [processors, rated, memory, storage, networks] = await Promise.all([
    withTopology(sysCpu, info.processors.length > 0 ? info.processors : countedProcessors()),
    ratedMhz(sysCpu),
    readFile(join(root, 'proc/meminfo'), 'utf8').then(parseMemInfo),
    listDisks(join(root, 'sys/block')),
    listNetworks(join(root, 'sys/class/net')),
  ]);
  return {
    cpu: {
      model: info.model ?? cpus()[0]?.model ?? 'unknown',
      ...countTopology(processors),
      frequencyMhz: Math.round(rated ?? info.frequencyMhz ?? 0),
      features: info.features,
    },
    memory: { totalMib: memory.totalMib },
    storage,
    networks,
  };
}

/** For the few architectures whose cpuinfo has no paragraph for each processor. */
function countedProcessors(): Processor[] {
  return cpus().map((_, index) => ({ index, packageId: null, coreId: null }));
}

async function readSystemInfo(root: string, options: LinuxMachineOptions): Promise<NodeSystemInfo> {
  const osRelease =
    (await optionalText(join(root, 'etc/os-release'))) ??
    (await optionalText(join(root, 'usr/lib/os-release'))) ??
    '';
  return {
    os: parseOsRelease(osRelease),
    kernel: release(),
    architecture: architecture(),
    hypervisorVersion: options.hypervisorVersion,
    agentVersion: options.agentVersion,
  };
}
