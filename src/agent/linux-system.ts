/** What Linux tells about memory, its own name, load and uptime. */

const KIB_PER_MIB = 1024;

/**
 * Reads /proc/meminfo. Used is what cannot be had for something new: caches that the kernel would give back are
 * not used, pages reserved as huge pages are.
 *
 * @throws Error when the total is missing
 */
export function parseMemInfo(text: string): { totalMib: number; usedMib: number } {
  const kib = (name: string): number | null => {
    const digits = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
    return digits === undefined ? null : Number(digits);
  };
  const total = kib('MemTotal');
  if (total === null) throw new Error('/proc/meminfo has no MemTotal');
  // Kernels before 3.14 did not estimate what is available.
  const available =
    kib('MemAvailable') ?? (kib('MemFree') ?? 0) + (kib('Buffers') ?? 0) + (kib('Cached') ?? 0);
  return {
    totalMib: Math.floor(total / KIB_PER_MIB),
    usedMib: Math.max(0, Math.round((total - available) / KIB_PER_MIB)),
  };
}

/** The distribution's name in os-release, "Linux" when it does not say. */
export function parseOsRelease(text: string): string {
  const value = (key: string): string | null => {
    const raw = new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]?.trim();
    if (raw === undefined) return null;
    const unquoted = /^(["'])(.*)\1$/.exec(raw)?.[2] ?? raw;
    return unquoted.replace(/\\(.)/g, '$1') || null;
  };
  const nameAndVersion = [value('NAME'), value('VERSION_ID')].filter((part) => part !== null);
  return value('PRETTY_NAME') ?? (nameAndVersion.join(' ') || 'Linux');
}

/** The first number of /proc/loadavg or /proc/uptime; 0 when there is none. */
export function firstNumber(text: string): number {
  const value = Number.parseFloat(text);
  return Number.isFinite(value) ? value : 0;
}
