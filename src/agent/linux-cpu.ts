/** What Linux tells about its processors: /proc/cpuinfo, /proc/stat and the topology in /sys. */
import { join } from 'node:path';
import { growth } from './counters.js';
import { optionalNumber } from './linux-files.js';
import type { NodeSpec } from './types.js';

/** One logical CPU. Ids are null where this architecture's cpuinfo does not tell them. */
export interface Processor {
  index: number;
  packageId: number | null;
  coreId: number | null;
}

export interface CpuInfo {
  /** Null where the architecture prints no name, as 64-bit ARM. */
  model: string | null;
  /** The momentary or nominal frequency; null where none is printed. */
  frequencyMhz: number | null;
  features: string[];
  processors: Processor[];
}

/** Reads /proc/cpuinfo: one paragraph for each logical CPU, `key : value` lines whose keys depend on the architecture. */
export function parseCpuInfo(text: string): CpuInfo {
  const info: CpuInfo = { model: null, frequencyMhz: null, features: [], processors: [] };
  for (const paragraph of text.split(/\n\s*\n/)) {
    const fields = parseFields(paragraph);
    const index = numberOrNull(fields.get('processor'));
    // Some architectures end with a paragraph about the board, which is no processor.
    if (index === null) continue;
    info.processors.push({
      index,
      packageId: numberOrNull(fields.get('physical id')),
      coreId: numberOrNull(fields.get('core id')),
    });
    info.model ??= fields.get('model name') ?? null;
    info.frequencyMhz ??= nominalMhz(info.model) ?? numberOrNull(fields.get('cpu MHz'));
    const features = fields.get('flags') ?? fields.get('Features');
    if (info.features.length === 0 && features !== undefined) info.features = features.split(/\s+/);
  }
  return info;
}

/** Fills in ids that cpuinfo left out from /sys, where most architectures have them. */
export async function withTopology(sysCpu: string, processors: Processor[]): Promise<Processor[]> {
  return Promise.all(
    processors.map(async ({ index, packageId, coreId }) => {
      const topology = join(sysCpu, `cpu${index}`, 'topology');
      return {
        index,
        packageId: packageId ?? (await optionalNumber(join(topology, 'physical_package_id'))),
        coreId: coreId ?? (await optionalNumber(join(topology, 'core_id'))),
      };
    }),
  );
}

/**
 * Counts sockets, cores and threads. Their product always equals the number of logical CPUs, because placement
 * multiplies them: where the real topology is uneven (efficiency cores, CPUs taken offline), threads count as cores.
 */
export function countTopology(
  processors: readonly Processor[],
): Pick<NodeSpec['cpu'], 'sockets' | 'coresPerSocket' | 'threadsPerCore'> {
  const packages = new Set(processors.map(({ packageId }) => packageId ?? 0));
  const cores = new Set(
    processors.map(
      ({ index, packageId, coreId }) => `${packageId ?? 0}/${coreId ?? `cpu${index}`}`,
    ),
  );
  const logical = processors.length;
  const even = cores.size % packages.size === 0 && logical % cores.size === 0;
  if (even && logical > 0) {
    return {
      sockets: packages.size,
      coresPerSocket: cores.size / packages.size,
      threadsPerCore: logical / cores.size,
    };
  }
  const sockets = packages.size > 0 && logical % packages.size === 0 ? packages.size : 1;
  return { sockets, coresPerSocket: logical / sockets, threadsPerCore: 1 };
}

/**
 * The frequency the CPU is built for, in MHz, from cpufreq; null where there is none, as in most guests.
 * The momentary frequency would be no use: a node's spec must not change with its load.
 */
export async function ratedMhz(sysCpu: string): Promise<number | null> {
  const cpufreq = join(sysCpu, 'cpu0', 'cpufreq');
  const kilohertz =
    (await optionalNumber(join(cpufreq, 'base_frequency'))) ??
    (await optionalNumber(join(cpufreq, 'cpuinfo_max_freq')));
  return kilohertz === null ? null : Math.round(kilohertz / 1_000);
}

/** Ticks since boot, over all CPUs. */
export interface CpuTimes {
  busy: number[];
  idle: number[];
}

/**
 * Reads the first line of /proc/stat. The guest columns are left out: they are contained in user and nice already.
 *
 * @throws Error when the line is missing
 */
export function parseCpuTimes(text: string): CpuTimes {
  const line = /^cpu\s+(.+)$/m.exec(text)?.[1];
  if (line === undefined) throw new Error('/proc/stat has no line for all CPUs');
  const ticks = line.trim().split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] =
    ticks;
  return { busy: [user, nice, system, irq, softIrq, steal], idle: [idle, ioWait] };
}

/** The busy share between two samples, 0 to 100, two decimals. Waiting for I/O is idle; stolen time is not. */
export function cpuPercentBetween(before: CpuTimes, after: CpuTimes): number {
  // Column by column: single ones do step back by a tick (ioWait is documented to).
  const grown = (now: number[], then: number[]): number =>
    now.reduce((sum, ticks, column) => sum + growth(then[column] ?? 0, ticks), 0);
  const busy = grown(after.busy, before.busy);
  const total = busy + grown(after.idle, before.idle);
  return total === 0 ? 0 : Math.round((10_000 * busy) / total) / 100;
}

function parseFields(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of paragraph.split('\n')) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).trim();
    if (colon > 0 && value !== '') fields.set(line.slice(0, colon).trim(), value);
  }
  return fields;
}

function numberOrNull(text: string | undefined): number | null {
  const value = Number(text);
  return text === undefined || !Number.isFinite(value) ? null : value;
}

/** Some names end in the nominal frequency, such as "@ 2.60GHz". */
function nominalMhz(model: string | null): number | null {
  const gigahertz = /@\s*([\d.]+)\s*GHz/i.exec(model ?? '')?.[1];
  return gigahertz === undefined ? null : Math.round(Number(gigahertz) * 1_000);
}
