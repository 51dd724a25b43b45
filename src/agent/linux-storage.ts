/** What Linux tells about disks and the filesystems on them. */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, namesIn, optionalNumber, optionalText } from './linux-files.js';
import type { NodeSpec } from './types.js';

const GIBIBYTE = 1024 ** 3;
/** /proc/diskstats and /sys/block count in these, whatever the disk's own sector size is. */
const SECTOR_BYTES = 512;

export type DiskCounterName = 'readBytes' | 'writtenBytes' | 'reads' | 'writes';
export type DiskCounters = Record<DiskCounterName, number>;

/** Reads /proc/diskstats: counters since boot for each block device, partitions and stacked devices included. */
export function parseDiskStats(text: string): Map<string, DiskCounters> {
  const devices = new Map<string, DiskCounters>();
  for (const line of text.split('\n')) {
    const [, , name, reads, , sectorsRead, , writes, , sectorsWritten] = line.trim().split(/\s+/);
    if (name === undefined || sectorsWritten === undefined) continue;
    devices.set(name, {
      reads: Number(reads),
      readBytes: Number(sectorsRead) * SECTOR_BYTES,
      writes: Number(writes),
      writtenBytes: Number(sectorsWritten) * SECTOR_BYTES,
    });
  }
  return devices;
}

/** Optical drives and floppies have a device, but are no capacity; nvme0c0n1 is a second path to nvme0n1. */
const NOT_A_DISK = /^(?:sr|fd)\d+$|^nvme\d+c\d+n\d+$/;

/**
 * The physical disks in /sys/block, with whole GiB. Loop devices, RAM disks, RAID and device-mapper volumes are
 * left out (they have no device of their own, and would count the disks below them twice), and so is what can be
 * pulled out or is smaller than 1 GiB.
 */
export async function listDisks(sysBlock: string): Promise<NodeSpec['storage']> {
  const names = (await namesIn(sysBlock)).filter((name) => !NOT_A_DISK.test(name));
  const disks = await Promise.all(names.map((name) => readDisk(join(sysBlock, name), name)));
  return disks.filter((disk) => disk !== null);
}

async function readDisk(folder: string, name: string): Promise<NodeSpec['storage'][number] | null> {
  const [device, removable, sectors, rotational] = await Promise.all([
    namesIn(join(folder, 'device')),
    optionalNumber(join(folder, 'removable')),
    optionalNumber(join(folder, 'size')),
    optionalNumber(join(folder, 'queue/rotational')),
  ]);
  const sizeGib = Math.floor(((sectors ?? 0) * SECTOR_BYTES) / GIBIBYTE);
  if (device.length === 0 || removable === 1 || sizeGib < 1) return null;
  if (name.startsWith('nvme')) return { name, type: 'NVME', sizeGib };
  return { name, type: rotational === 1 ? 'HDD' : 'SSD', sizeGib };
}

/** A mounted filesystem that lies on a disk of this node. */
export interface Mount {
  mountPoint: string;
  /** Mounts of the same filesystem have the same volume; all datasets of a ZFS pool have the pool. */
  volume: string;
  /** Whether each mount has its own usage and shares only the free space, as ZFS datasets do. */
  pooled: boolean;
}

/** Images and media: always full, and no space of the node. */
const READ_ONLY_TYPES = new Set(['squashfs', 'erofs', 'iso9660', 'udf']);
/** Files and memory dressed up as devices. */
const NOT_ON_A_DISK = /^\/dev\/(?:loop|ram|zram)\d/;

/** Reads /proc/self/mountinfo and keeps what lies on local disks: no memory, network or container filesystems. */
export function parseMounts(text: string): Mount[] {
  const byMountPoint = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    const [mount, filesystem] = line.split(' - ');
    const [, , deviceNumber = '', , rawMountPoint] = mount?.split(' ') ?? [];
    const [type = '', source = ''] = filesystem?.split(' ') ?? [];
    if (rawMountPoint === undefined) continue;
    const mountPoint = unescapeOctal(rawMountPoint);
    // A later mount hides an earlier one at the same place, even one that is not kept.
    byMountPoint.delete(mountPoint);
    if (type === 'zfs') {
      const [pool = source] = source.split('/');
      byMountPoint.set(mountPoint, { mountPoint, volume: `zfs:${pool}`, pooled: true });
    } else if (
      source.startsWith('/dev/') &&
      !NOT_ON_A_DISK.test(source) &&
      !READ_ONLY_TYPES.has(type)
    ) {
      // Number 0:x is made up for each mount (btrfs), so there the device's name has to tell.
      const volume = deviceNumber.startsWith('0:') ? source : deviceNumber;
      byMountPoint.set(mountPoint, { mountPoint, volume, pooled: false });
    }
  }
  return [...byMountPoint.values()];
}

/** Adds up the filesystems, each volume once. A mount that cannot be asked (permissions, vanished) is left out. */
export async function diskUsage(
  mounts: readonly Mount[],
  root: string,
): Promise<{ usedGib: number; totalGib: number }> {
  const volumes = new Map<string, { used: number; free: number }>();
  for (const { mountPoint, volume, pooled } of mounts) {
    const known = volumes.get(volume);
    if (known !== undefined && !pooled) continue;
    const space = await askSpace(join(root, mountPoint));
    if (space === null) continue;
    volumes.set(volume, {
      used: (known?.used ?? 0) + space.used,
      free: Math.max(known?.free ?? 0, space.free),
    });
  }
  let used = 0;
  let free = 0;
  for (const volume of volumes.values()) {
    used += volume.used;
    free += volume.free;
  }
  return { usedGib: gibibytes(used), totalGib: gibibytes(used + free) };
}

async function askSpace(path: string): Promise<{ used: number; free: number } | null> {
  try {
    const { blocks, bfree, bsize } = await statfs(path);
    return { used: (blocks - bfree) * bsize, free: bfree * bsize };
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** The physical disks among the block devices, by name. */
export async function diskCounters(
  path: string,
  disks: NodeSpec['storage'],
): Promise<Map<string, DiskCounters>> {
  const all = parseDiskStats((await optionalText(path)) ?? '');
  const names = new Set(disks.map(({ name }) => name));
  return new Map([...all].filter(([name]) => names.has(name)));
}

/** Spaces in paths are written \040, and so on. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function gibibytes(bytes: number): number {
  return Math.round((100 * bytes) / GIBIBYTE) / 100;
}
