/** Numbers as they are printed. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

export const round = (value, digits = 2) => Number(value.toFixed(digits));

/** @param sorted ascending */
export const quantile = (sorted, part) => sorted[Math.floor(sorted.length * part)] ?? 0;

/** What a reader has to know to believe a figure. */
export function circumstances() {
  const [one] = loadavg();
  return `${cpus().length} processors, load ${round(one)} before it began, Node.js ${process.version}`;
}

/** Processor time of processes so far, in seconds; what else the machine does hardly shows in it. */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / 100;
}
