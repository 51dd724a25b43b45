/** Free space where this process writes: its temporary folder and its cache, and with them, mostly, the log. */
import { stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../data/migrations.js';
import { defineCheck } from './check.js';
import { type Judgement, ok, problem, warning } from './finding.js';
import { GIB, MIB, percent, size } from './units.js';

export interface DiskFacts {
  readonly folder: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export function judgeDisks(disks: readonly DiskFacts[]): Judgement[] {
  const described = disks.map((disk) => {
    const share = disk.freeBytes / disk.totalBytes;
    return {
      ...disk,
      share,
      seen: `${disk.folder} has ${size(disk.freeBytes)} left (${percent(share)})`,
    };
  });
  const advice = 'Make room: old logs and packages first; df -h shows all disks.';
  const findings = described.flatMap(({ share, freeBytes, seen }): Judgement[] => {
    if (freeBytes < 256 * MIB || share < 0.02) return [problem(seen, advice)];
    return freeBytes < GIB || share < 0.08 ? [warning(seen, advice)] : [];
  });
  return findings.length > 0 ? findings : [ok(described.map(({ seen }) => seen).join('; '))];
}

export const disk = defineCheck({
  name: 'disk',
  about: "Free space on this machine's own disks: temporary files and cache.",
  async collect(): Promise<DiskFacts[]> {
    const folders = [tmpdir(), join(packageRoot(), '.cache'), packageRoot()];
    const disks = new Map<number, DiskFacts>();
    for (const folder of folders) {
      const device = await stat(folder).then(
        ({ dev }) => dev,
        () => null,
      );
      if (device === null || disks.has(device)) continue;
      const { bsize, blocks, bavail } = await statfs(folder);
      disks.set(device, { folder, totalBytes: bsize * blocks, freeBytes: bsize * bavail });
    }
    return [...disks.values()];
  },
  judge: judgeDisks,
});
