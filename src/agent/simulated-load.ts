/**
 * What a simulated guest uses, as a pure function of who it is and what time it is: each virtual machine has its
 * own temperament (idle level, office hours, bursts) and keeps it.
 */
import { dayCurve, fractionOf, hash32, wander } from './noise.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Booting is busy, and memory fills up only once services have started. */
const BOOT_BUSY_MS = 20 * SECOND_MS;
const WARM_UP_MS = 2 * MINUTE_MS;

/** Who is asked about, and when. */
export interface GuestMoment {
  virtualMachineId: string;
  /** Tells simulated datacenters apart that share virtual machine ids. */
  seed: string;
  memoryMib: number;
  atMs: number;
  uptimeMs: number;
}

/** Share of the guest's vCPUs that is busy, 0 to 100, two decimals. */
export function guestCpuPercent(guest: GuestMoment): number {
  const key = `${guest.seed}/${guest.virtualMachineId}`;
  const seed = hash32(key);
  const idle = 1 + 9 * fractionOf(`${key}/idle`);
  const office = 45 * fractionOf(`${key}/office`) * dayCurve(guest.atMs, peakShiftMs(key));
  const slow = 14 * wander(seed, guest.atMs, 10 * MINUTE_MS);
  const fast = 6 * wander(~seed, guest.atMs, 15 * SECOND_MS);
  const burst = wander(seed ^ 0x5bd1e995, guest.atMs, 7 * MINUTE_MS) > 0.94 ? 35 : 0;
  const boot = 40 * Math.max(0, 1 - guest.uptimeMs / BOOT_BUSY_MS);
  return Math.round(100 * Math.min(100, idle + office + slow + fast + burst + boot)) / 100;
}

/** Memory in use inside the guest, whole MiB, at least 1 and never more than the guest has. */
export function guestMemoryUsedMib(guest: GuestMoment): number {
  const key = `${guest.seed}/${guest.virtualMachineId}`;
  const settled = 0.3 + 0.45 * fractionOf(`${key}/memory`);
  const seed = hash32(`${key}/memory`);
  const breathing =
    0.12 * (wander(seed, guest.atMs, HOUR_MS) - 0.5) + 0.01 * wander(~seed, guest.atMs, MINUTE_MS);
  const warm = 0.3 + 0.7 * Math.min(1, guest.uptimeMs / WARM_UP_MS);
  const used = Math.round(guest.memoryMib * (settled + breathing) * warm);
  return Math.min(guest.memoryMib, Math.max(1, used));
}

/** Up to three hours either side: not everybody has lunch at the same time. */
function peakShiftMs(key: string): number {
  return (fractionOf(`${key}/hours`) - 0.5) * 6 * HOUR_MS;
}
