import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { growth, ratePerSecond } from '../../src/agent/counters.js';
import {
  countTopology,
  cpuPercentBetween,
  parseCpuInfo,
  parseCpuTimes,
  ratedMhz,
  withTopology,
} from '../../src/agent/linux-cpu.js';
import { listNetworks, parseNetDev, readNetwork } from '../../src/agent/linux-network.js';
import {
  diskUsage,
  listDisks,
  parseDiskStats,
  parseMounts,
} from '../../src/agent/linux-storage.js';
import { firstNumber, parseMemInfo, parseOsRelease } from '../../src/agent/linux-system.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'agent-linux-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Writes files under the temporary folder. */
async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

/** cpuinfo as x86 prints it, one paragraph for each [package, core]. */
function x86CpuInfo(threads: [number, number][], extra = 'cpu MHz\t\t: 1197.531\n'): string {
  return threads
    .map(
      ([packageId, coreId], index) =>
        `processor\t: ${index}\nvendor_id\t: GenuineIntel\nmodel\t\t: 106\nmodel name\t: Test CPU\n${extra}` +
        `physical id\t: ${packageId}\ncore id\t\t: ${coreId}\nflags\t\t: fpu vmx avx2\nbugs\t\t:\npower management:\n`,
    )
    .join('\n');
}

describe('/proc/cpuinfo', () => {
  test('two sockets of two cores with two threads each are counted as such', () => {
    const info = parseCpuInfo(
      x86CpuInfo([
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ]),
    );
    expect(countTopology(info.processors)).toEqual({
      sockets: 2,
      coresPerSocket: 2,
      threadsPerCore: 2,
    });
    expect(info).toMatchObject({
      model: 'Test CPU',
      frequencyMhz: 1197.531,
      features: ['fpu', 'vmx', 'avx2'],
    });
  });

  test('core ids may have holes, and packages need not start at 0', () => {
    const { processors } = parseCpuInfo(
      x86CpuInfo([
        [3, 0],
        [3, 9],
        [3, 17],
      ]),
    );
    expect(countTopology(processors)).toEqual({ sockets: 1, coresPerSocket: 3, threadsPerCore: 1 });
  });

  test('a guest with one socket for each virtual CPU is believed', () => {
    const { processors } = parseCpuInfo(
      x86CpuInfo([
        [0, 0],
        [1, 0],
        [2, 0],
      ]),
    );
    expect(countTopology(processors)).toEqual({ sockets: 3, coresPerSocket: 1, threadsPerCore: 1 });
  });

  test('the frequency in the name is preferred to the momentary one; without any it is null', () => {
    const named = x86CpuInfo([[0, 0]]).replace('Test CPU', 'Test CPU @ 2.60GHz');
    expect(parseCpuInfo(named).frequencyMhz).toBe(2_600);
    expect(parseCpuInfo(x86CpuInfo([[0, 0]], '')).frequencyMhz).toBeNull();
  });

  test('64-bit ARM has no name, no frequency and no ids: those come from /sys', async () => {
    const text = [0, 1, 2, 3]
      .map(
        (index) =>
          `processor\t: ${index}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd aes\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n`,
      )
      .join('\n');
    const info = parseCpuInfo(text);
    expect(info).toMatchObject({
      model: null,
      frequencyMhz: null,
      features: ['fp', 'asimd', 'aes'],
    });
    for (const index of [0, 1, 2, 3]) {
      await write({
        [`cpu${index}/topology/physical_package_id`]: `${Math.floor(index / 2)}\n`,
        [`cpu${index}/topology/core_id`]: `${index % 2}\n`,
      });
    }
    const processors = await withTopology(root, info.processors);
    expect(countTopology(processors)).toEqual({ sockets: 2, coresPerSocket: 2, threadsPerCore: 1 });
    const unknown = await withTopology(join(root, 'nowhere'), info.processors);
    expect(countTopology(unknown)).toEqual({ sockets: 1, coresPerSocket: 4, threadsPerCore: 1 });
  });

  test('a closing paragraph about the board is not a processor', () => {
    const text = 'processor\t: 0\nmodel name\t: ARMv7 Processor rev 4\n\nHardware\t: BCM2835\n';
    expect(parseCpuInfo(text).processors).toHaveLength(1);
  });

  test('the product of the topology is the number of logical CPUs, however uneven it is', () => {
    const processor = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 5 }));
    fc.assert(
      fc.property(fc.array(processor, { minLength: 1, maxLength: 40 }), (threads) => {
        const { processors } = parseCpuInfo(x86CpuInfo(threads));
        const { sockets, coresPerSocket, threadsPerCore } = countTopology(processors);
        expect(sockets * coresPerSocket * threadsPerCore).toBe(threads.length);
        for (const count of [sockets, coresPerSocket, threadsPerCore]) {
          expect(Number.isInteger(count)).toBe(true);
        }
      }),
    );
  });

  test('the rated frequency is the base one, else the highest, else null', async () => {
    expect(await ratedMhz(root)).toBeNull();
    await write({ 'cpu0/cpufreq/cpuinfo_max_freq': '3500000\n' });
    expect(await ratedMhz(root)).toBe(3_500);
    await write({ 'cpu0/cpufreq/base_frequency': '2600000\n' });
    expect(await ratedMhz(root)).toBe(2_600);
  });
});

describe('/proc/stat', () => {
  const times = (columns: string) =>
    parseCpuTimes(`cpu  ${columns}\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n`);

  test('the busy share leaves out idle and I/O wait, and does not count guests twice', () => {
    // user 20 (16 of them guest), system 10, irq 5, steal 5; idle 40, iowait 20.
    const before = times('1000 0 500 9000 100 0 0 0 800 0');
    const after = times('1020 0 510 9040 120 5 0 5 816 0');
    expect(cpuPercentBetween(before, after)).toBe(40);
  });

  test('no time passed is 0 percent, and kernels with four columns are understood', () => {
    expect(cpuPercentBetween(times('1 1 1 1'), times('1 1 1 1'))).toBe(0);
    expect(cpuPercentBetween(times('0 0 0 0'), times('1 0 0 3'))).toBe(25);
  });

  test('columns that step back never give a percentage outside 0 to 100', () => {
    const column = fc.nat({ max: 1_000 });
    const row = fc
      .array(column, { minLength: 10, maxLength: 10 })
      .map((row) => times(row.join(' ')));
    fc.assert(
      fc.property(row, row, (before, after) => {
        const percent = cpuPercentBetween(before, after);
        expect(percent).toBeGreaterThanOrEqual(0);
        expect(percent).toBeLessThanOrEqual(100);
      }),
    );
  });

  test('a file without the line is an error', () => {
    expect(() => parseCpuTimes('intr 5\n')).toThrow(/no line/);
  });
});

describe('counters', () => {
  const device = (bytes: number) => ({ bytes });

  test('the rate is the growth of all devices per second', () => {
    const before = new Map([
      ['sda', device(1_000)],
      ['sdb', device(500)],
    ]);
    const after = new Map([
      ['sda', device(3_000)],
      ['sdb', device(500)],
    ]);
    expect(ratePerSecond('bytes', before, after, 2_000)).toBe(1_000);
    expect(ratePerSecond('bytes', before, after, 0)).toBe(0);
  });

  test('a reset counter, a new device and a vanished one count as no traffic', () => {
    const before = new Map([
      ['reset', device(9_000_000)],
      ['gone', device(7)],
      ['same', device(10)],
    ]);
    const after = new Map([
      ['reset', device(5)],
      ['new', device(1_000_000)],
      ['same', device(30)],
    ]);
    expect(ratePerSecond('bytes', before, after, 1_000)).toBe(20);
  });

  test('growth is never negative', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (before, after) => {
        expect(growth(before, after)).toBe(after > before ? after - before : 0);
      }),
    );
  });
});

describe('disks', () => {
  test('diskstats of old and new kernels give bytes and operations', () => {
    const stats = parseDiskStats(
      '   8       0 sda 100 5 800 70 200 6 1600 80 0 90 100\n' +
        ' 259       0 nvme0n1 10 0 8 1 20 0 16 1 0 2 2 5 0 640 3 7 1\n',
    );
    expect(stats.get('sda')).toEqual({
      reads: 100,
      readBytes: 800 * 512,
      writes: 200,
      writtenBytes: 1600 * 512,
    });
    expect(stats.get('nvme0n1')).toMatchObject({ reads: 10, writes: 20, writtenBytes: 16 * 512 });
    expect(parseDiskStats('').size).toBe(0);
  });

  test('only fixed physical disks are listed, with their type and whole GiB', async () => {
    const gib = (count: number) => `${count * 2 ** 21}\n`;
    const disk = (name: string, size: string, rotational: 0 | 1, removable: 0 | 1 = 0) => ({
      [`${name}/size`]: size,
      [`${name}/removable`]: `${removable}\n`,
      [`${name}/queue/rotational`]: `${rotational}\n`,
    });
    await write({
      ...disk('sda', gib(447), 0),
      ...disk('sdb', `${Math.floor(931.51 * 2 ** 21)}\n`, 1),
      ...disk('sdc', gib(64), 0, 1),
      ...disk('sdd', '20480\n', 0),
      ...disk('nvme0n1', gib(894), 0),
      ...disk('nvme0c0n1', gib(894), 0),
      ...disk('nvme10n1', gib(100), 0),
      ...disk('nvme2n1', gib(100), 0),
      ...disk('sr0', gib(4), 1),
      ...disk('loop0', gib(4), 1),
      ...disk('dm-0', gib(400), 0),
    });
    const physical = [
      'sda',
      'sdb',
      'sdc',
      'sdd',
      'nvme0n1',
      'nvme0c0n1',
      'nvme10n1',
      'nvme2n1',
      'sr0',
    ];
    for (const name of physical) await write({ [`${name}/device/model`]: 'X\n' });
    expect(await listDisks(root)).toEqual([
      { name: 'nvme0n1', type: 'NVME', sizeGib: 894 },
      { name: 'nvme2n1', type: 'NVME', sizeGib: 100 },
      { name: 'nvme10n1', type: 'NVME', sizeGib: 100 },
      { name: 'sda', type: 'SSD', sizeGib: 447 },
      { name: 'sdb', type: 'HDD', sizeGib: 931 },
    ]);
    expect(await listDisks(join(root, 'nowhere'))).toEqual([]);
  });

  const mountinfo = [
    '22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw',
    '27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '28 27 8:1 /srv /srv/bind rw,relatime - ext4 /dev/sda1 rw',
    '29 27 0:40 / /data rw,relatime shared:2 master:3 - btrfs /dev/sdb1 rw,subvol=/',
    '30 27 0:41 /home /home\\040and\\040more rw - btrfs /dev/sdb1 rw,subvol=/home',
    '31 27 0:50 / /tank rw - zfs tank rw',
    '32 27 0:51 / /tank/vms rw - zfs tank/vms rw',
    '33 27 7:0 / /snap ro - squashfs /dev/loop0 ro',
    '34 27 7:1 / /image rw - ext4 /dev/loop1 rw',
    '35 27 0:60 / /mnt/nfs rw - nfs4 filer:/export rw',
    '36 27 0:6 / /dev rw - devtmpfs devtmpfs rw',
    '37 27 11:0 / /media ro - iso9660 /dev/sr0 ro',
    '38 27 8:17 / /old rw - xfs /dev/sdc1 rw',
    '39 27 0:61 / /old rw - tmpfs tmpfs rw',
    '40 27 0:62 / /var/lib/overlay rw - overlay overlay rw,lowerdir=/a',
    '',
  ].join('\n');

  test('only filesystems on local disks are kept, and each knows its volume', () => {
    expect(parseMounts(mountinfo)).toEqual([
      { mountPoint: '/', volume: '8:1', pooled: false },
      { mountPoint: '/srv/bind', volume: '8:1', pooled: false },
      { mountPoint: '/data', volume: '/dev/sdb1', pooled: false },
      { mountPoint: '/home and more', volume: '/dev/sdb1', pooled: false },
      { mountPoint: '/tank', volume: 'zfs:tank', pooled: true },
      { mountPoint: '/tank/vms', volume: 'zfs:tank', pooled: true },
    ]);
  });

  test('a volume that is mounted twice counts once, and a mount that cannot be asked counts nothing', async () => {
    const here = { mountPoint: '/', volume: '8:1', pooled: false };
    const once = await diskUsage([here], root);
    expect(once.totalGib).toBeGreaterThan(0);
    expect(once.usedGib).toBeLessThanOrEqual(once.totalGib);
    const missing = { mountPoint: '/gone', volume: '9:9', pooled: false };
    const twice = await diskUsage([missing, here, here], root);
    expect(twice.totalGib).toBeCloseTo(once.totalGib, 0);
    const both = await diskUsage([here, { ...here, volume: '8:2' }], root);
    expect(both.totalGib).toBeCloseTo(2 * once.totalGib, 0);
  });

  test('datasets of a pool add what they use to one shared free space', async () => {
    const dataset = { mountPoint: '/', volume: 'zfs:tank', pooled: true };
    const one = await diskUsage([dataset], root);
    const two = await diskUsage([dataset, dataset], root);
    expect(two.usedGib).toBeCloseTo(2 * one.usedGib, 0);
    expect(two.totalGib - two.usedGib).toBeCloseTo(one.totalGib - one.usedGib, 0);
  });
});

describe('network', () => {
  test('/proc/net/dev is read with and without a space after the colon', () => {
    const interfaces = parseNetDev(
      'Inter-|   Receive  |  Transmit\n' +
        ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n' +
        '    lo: 3193 29 0 0 0 0 0 0 3193 29 0 0 0 0 0 0\n' +
        '  eth0:18446744 11 0 0 0 0 0 0 42 7 0 0 0 0 0 0\n',
    );
    expect([...interfaces.keys()]).toEqual(['lo', 'eth0']);
    expect(interfaces.get('eth0')).toEqual({ receivedBytes: 18446744, transmittedBytes: 42 });
  });

  const port = (name: string, speed: string | null, type = 1) => ({
    [`${name}/address`]: '3c:ec:ef:00:00:01\n',
    [`${name}/mtu`]: '9000\n',
    [`${name}/type`]: `${type}\n`,
    ...(speed === null ? {} : { [`${name}/speed`]: speed }),
  });
  const known = { macAddress: '3c:ec:ef:00:00:01', mtu: 9_000 };

  test('real ports count; bridges, taps, loopback and InfiniBand do not', async () => {
    await write({
      ...port('eno1', '25000\n'),
      ...port('ib0', '100000\n', 32),
      ...port('br0', '25000\n'),
      ...port('tap3', '10\n'),
      ...port('lo', null, 772),
    });
    await mkdir(join(root, 'pci0'));
    await write({ 'pci0/vendor': '0x8086\n' });
    for (const name of ['eno1', 'ib0'])
      await symlink(join(root, 'pci0'), join(root, name, 'device'));
    expect(await listNetworks(root)).toEqual([{ name: 'eno1', speedMbps: 25_000, ...known }]);
  });

  test('inside a container, without real ports, Ethernet interfaces count', async () => {
    await write({ ...port('eth0', '10000\n'), ...port('lo', null, 772) });
    expect(await listNetworks(root)).toEqual([{ name: 'eth0', speedMbps: 10_000, ...known }]);
  });

  test.each(['-1\n', '4294967295\n', '0\n', '', null])(
    'a speed of %j is not known',
    async (speed) => {
      await write(port('eth0', speed));
      expect(await readNetwork(root, 'eth0')).toEqual({ name: 'eth0', speedMbps: null, ...known });
    },
  );
});

describe('memory, names and numbers', () => {
  test('used memory is what is not available; old kernels are estimated', () => {
    const modern = 'MemTotal:       2097152 kB\nMemFree:  100 kB\nMemAvailable:   1048576 kB\n';
    expect(parseMemInfo(modern)).toEqual({ totalMib: 2_048, usedMib: 1_024 });
    const old = 'MemTotal: 2097152 kB\nMemFree: 524288 kB\nBuffers: 262144 kB\nCached: 262144 kB\n';
    expect(parseMemInfo(old)).toEqual({ totalMib: 2_048, usedMib: 1_024 });
    expect(() => parseMemInfo('')).toThrow(/MemTotal/);
  });

  test('os-release is read with every way of quoting, and never empty', () => {
    expect(parseOsRelease('NAME="Alpine Linux"\nPRETTY_NAME="Alpine Linux v3.22"\n')).toBe(
      'Alpine Linux v3.22',
    );
    expect(parseOsRelease('PRETTY_NAME=\'Some \\"Linux\\"\'\n')).toBe('Some "Linux"');
    expect(parseOsRelease('NAME=Void\nVERSION_ID=1\n')).toBe('Void 1');
    expect(parseOsRelease('')).toBe('Linux');
  });

  test('the first number of loadavg and uptime', () => {
    expect(firstNumber('0.08 0.14 0.07 2/85 3312\n')).toBe(0.08);
    expect(firstNumber('')).toBe(0);
  });
});
