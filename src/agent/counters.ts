/** Turning counters that only grow (until something resets them) into rates. */

/** Counters by device and name, such as `{ sda: { readBytes: 1 } }`. */
export type CountersByDevice<Name extends string> = ReadonlyMap<
  string,
  Readonly<Record<Name, number>>
>;

/**
 * How much a counter grew. A smaller value than before means a reset (driver reload, device exchanged, wrap): what
 * happened since is unknown, and one quiet interval does less harm than a spike of terabytes.
 */
export function growth(before: number, after: number): number {
  return Math.max(0, after - before);
}

/**
 * The growth of one counter over all devices, per second. Devices that came or went in between do not count.
 *
 * @returns 0 when no time has passed
 */
export function ratePerSecond<Name extends string>(
  name: Name,
  before: CountersByDevice<Name>,
  after: CountersByDevice<Name>,
  elapsedMs: number,
): number {
  if (elapsedMs <= 0) return 0;
  let total = 0;
  for (const [device, counters] of after) {
    const earlier = before.get(device);
    if (earlier !== undefined) total += growth(earlier[name], counters[name]);
  }
  return Math.round((total * 1_000) / elapsedMs);
}
