import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os, { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { optionalNumber } from '../../src/agent/linux-files.js';
import { openLinuxMachine } from '../../src/agent/machine.js';
import { manualClock } from './support.js';

const versions = { agentVersion: '1.2.3', hypervisorVersion: 'none' };

describe('this machine', () => {
  test('its figures agree with what Node.js knows of it', async () => {
    const machine = openLinuxMachine(versions);
    const { spec, systemInfo, metrics } = await machine.read();
    machine.close();

    const totalMib = os.totalmem() / 2 ** 20;
    expect(Math.abs(spec.memory.totalMib - totalMib)).toBeLessThan(totalMib / 100);
    expect(metrics.memoryTotalMib).toBe(spec.memory.totalMib);
    expect(metrics.memoryUsedMib).toBeGreaterThan(0);
    expect(metrics.memoryUsedMib).toBeLessThan(metrics.memoryTotalMib);

    const { sockets, coresPerSocket, threadsPerCore, model, features } = spec.cpu;
    expect(sockets * coresPerSocket * threadsPerCore).toBe(os.cpus().length);
    expect(model).toBe(os.cpus()[0]?.model);
    expect(features.length).toBeGreaterThan(5);

    expect(systemInfo).toMatchObject({
      ...versions,
      kernel: os.release(),
      architecture: os.machine(),
    });
    expect(systemInfo.os).not.toBe('');
    expect(Math.abs(metrics.uptimeSeconds - os.uptime())).toBeLessThan(5);
    expect(Math.abs(metrics.loadAverage1m - (os.loadavg()[0] ?? 0))).toBeLessThan(1);
    expect(Math.abs(Date.parse(metrics.sampledAt) - Date.now())).toBeLessThan(5_000);

    expect(metrics.diskUsedGib).toBeGreaterThanOrEqual(0);
    expect(metrics.diskUsedGib).toBeLessThanOrEqual(metrics.diskTotalGib);
    for (const network of spec.networks) {
      expect(network.macAddress).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
      expect(network.mtu).toBeGreaterThan(0);
    }
  });

  test('CPU that is burnt between two reads shows', async () => {
    const machine = openLinuxMachine(versions);
    await machine.read();
    const until = performance.now() + 400;
    while (performance.now() < until);
    const { metrics } = await machine.read();
    machine.close();
    // One thread was busy for the whole interval; half of its share leaves room for reading the figures.
    expect(metrics.cpuPercent).toBeGreaterThan(50 / os.cpus().length);
    expect(metrics.cpuPercent).toBeLessThanOrEqual(100);
  });

  test('the kernel refuses to tell the speed of loopback (EINVAL), which is no error', async () => {
    const speed = '/sys/class/net/lo/speed';
    expect(() => readFileSync(speed, 'utf8')).toThrow(/EINVAL/);
    await expect(optionalNumber(speed)).resolves.toBeNull();
  });

  test('reading after close() is an error', async () => {
    const machine = openLinuxMachine(versions);
    machine.close();
    await expect(machine.read()).rejects.toThrow('closed');
  });

  test('a machine that is closed while it is read does not report', async () => {
    const machine = openLinuxMachine(versions);
    const reading = machine.read();
    machine.close();
    await expect(reading).rejects.toThrow('closed');
  });
});

describe('a machine made of files', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'agent-machine-'));
    await write({
      'proc/cpuinfo': 'processor : 0\nmodel name : Test CPU\ncpu MHz : 2999.998\nflags : fpu\n',
      'proc/meminfo': 'MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\n',
      'proc/loadavg': '0.50 0.40 0.30 1/100 1\n',
      'proc/uptime': '12345.67 1.00\n',
      'proc/self/mountinfo': '27 1 8:1 / / rw - ext4 /dev/sda1 rw\n',
      'etc/os-release': 'PRETTY_NAME="Test Linux"\n',
      'sys/block/sda/size': `${100 * 2 ** 21}\n`,
      'sys/block/sda/queue/rotational': '0\n',
      'sys/block/sda/device/model': 'X\n',
      'sys/class/net/eth0/type': '1\n',
      'sys/class/net/eth0/address': '3c:ec:ef:00:00:01\n',
      'sys/class/net/eth0/mtu': '1500\n',
      'sys/class/net/eth0/device/vendor': '0x1\n',
    });
    await count({ busy: 1_000, idle: 9_000, readKib: 10_000, reads: 500, received: 70_000 });
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  async function write(files: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
  }

  /** Sets every counter. Partitions and bridges repeat the traffic, as on real machines. */
  function count(now: {
    busy: number;
    idle: number;
    readKib: number;
    reads: number;
    received: number;
  }) {
    const disk = `${now.reads} 0 ${now.readKib * 2} 0 ${now.reads * 2} 0 ${now.readKib * 4} 0 0 0 0`;
    const net = `${now.received} 0 0 0 0 0 0 0 ${now.received * 3} 0 0 0 0 0 0 0`;
    return write({
      'proc/stat': `cpu  ${now.busy} 0 0 ${now.idle} 0 0 0 0 0 0\n`,
      'proc/diskstats': `8 0 sda ${disk}\n8 1 sda1 ${disk}\n253 0 dm-0 ${disk}\n`,
      'proc/net/dev': `eth0: ${net}\nbr0: ${net}\nlo: ${net}\n`,
    });
  }

  function open(options: { minimumIntervalMs?: number; specMaxAgeMs?: number } = {}) {
    const monotonic = manualClock(0);
    const clock = manualClock();
    const machine = openLinuxMachine({
      ...versions,
      root,
      clock,
      monotonic,
      minimumIntervalMs: 0,
      ...options,
    });
    return { machine, monotonic, clock };
  }

  test('the files come out as figures', async () => {
    const { machine } = open();
    const { spec, systemInfo, metrics } = await machine.read();
    expect(spec).toEqual({
      cpu: {
        model: 'Test CPU',
        sockets: 1,
        coresPerSocket: 1,
        threadsPerCore: 1,
        frequencyMhz: 3_000,
        features: ['fpu'],
      },
      memory: { totalMib: 2_048 },
      storage: [{ name: 'sda', type: 'SSD', sizeGib: 100 }],
      networks: [{ name: 'eth0', macAddress: '3c:ec:ef:00:00:01', speedMbps: null, mtu: 1_500 }],
    });
    expect(systemInfo.os).toBe('Test Linux');
    expect(metrics).toMatchObject({
      sampledAt: '2026-01-05T09:00:00.000Z',
      memoryUsedMib: 1_024,
      loadAverage1m: 0.5,
      uptimeSeconds: 12_345,
    });
    expect(metrics.diskTotalGib).toBeGreaterThan(0);
  });

  test('rates are averages since the last read, and each disk and port counts once', async () => {
    const { machine, monotonic } = open();
    await machine.read();
    await count({ busy: 1_100, idle: 9_300, readKib: 10_400, reads: 540, received: 74_000 });
    monotonic.advance(4_000);
    expect((await machine.read()).metrics).toMatchObject({
      cpuPercent: 25,
      diskReadBytesPerSecond: 100 * 1_024,
      diskWriteBytesPerSecond: 200 * 1_024,
      networkReceiveBytesPerSecond: 1_000,
      networkTransmitBytesPerSecond: 3_000,
    });
    expect(machine.diskOperations()).toEqual({ readsPerSecond: 10, writesPerSecond: 20 });
  });

  test('counters that start again give zero, and then count on', async () => {
    const { machine, monotonic } = open();
    await machine.read();
    await count({ busy: 1, idle: 1, readKib: 1, reads: 1, received: 1 });
    monotonic.advance(1_000);
    const nothing = {
      cpuPercent: 0,
      diskReadBytesPerSecond: 0,
      diskWriteBytesPerSecond: 0,
      networkReceiveBytesPerSecond: 0,
      networkTransmitBytesPerSecond: 0,
    };
    expect((await machine.read()).metrics).toMatchObject(nothing);
    await count({ busy: 2, idle: 2, readKib: 2, reads: 2, received: 501 });
    monotonic.advance(1_000);
    expect((await machine.read()).metrics).toMatchObject({
      cpuPercent: 50,
      networkReceiveBytesPerSecond: 500,
    });
  });

  test('reads in quick succession share the rates of the latest real interval', async () => {
    const { machine, monotonic } = open({ minimumIntervalMs: 20 });
    await machine.read();
    await count({ busy: 1_100, idle: 9_100, readKib: 10_000, reads: 500, received: 71_000 });
    monotonic.advance(1_000);
    expect((await machine.read()).metrics.networkReceiveBytesPerSecond).toBe(1_000);
    await count({ busy: 9_999, idle: 9_100, readKib: 10_000, reads: 500, received: 99_000 });
    monotonic.advance(19);
    expect((await machine.read()).metrics).toMatchObject({
      networkReceiveBytesPerSecond: 1_000,
      cpuPercent: 50,
    });
    const [one, other] = await Promise.all([machine.read(), machine.read()]);
    expect(one).toBe(other);
  });

  test('before the first read there are no disk operations', () => {
    expect(open().machine.diskOperations()).toBeNull();
  });

  test('hardware is looked at again after a while, but its frequency stays the first one', async () => {
    const { machine, monotonic } = open({ specMaxAgeMs: 10_000 });
    await machine.read();
    await write({
      'proc/cpuinfo': 'processor : 0\nmodel name : Test CPU\ncpu MHz : 800.000\n',
      'sys/class/net/eth0/speed': '10000\n',
    });
    monotonic.advance(9_999);
    expect((await machine.read()).spec.networks[0]?.speedMbps).toBeNull();
    monotonic.advance(1);
    const { spec } = await machine.read();
    expect(spec.networks[0]?.speedMbps).toBe(10_000);
    expect(spec.cpu.frequencyMhz).toBe(3_000);
  });

  test('what a caller does to the figures does not reach the next read', async () => {
    const { machine } = open();
    const first = await machine.read();
    first.spec.storage.length = 0;
    expect((await machine.read()).spec.storage).toHaveLength(1);
  });

  test('without /proc reading is an error, and works again once it is there', async () => {
    await rm(join(root, 'proc/meminfo'));
    const { machine } = open();
    await expect(machine.read()).rejects.toThrow(/meminfo/);
    await write({ 'proc/meminfo': 'MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\n' });
    await expect(machine.read()).resolves.toBeDefined();
  });
});
