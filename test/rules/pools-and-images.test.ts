/** Rules of storage pools and images that need no database. */
import { describe, expect, it } from 'vitest';
import { PoolPhase, PoolType } from '../../src/gen/client/enums.js';
import { faultOfSource, imageShortfalls } from '../../src/modules/image/rules.js';
import { backendFor, backendInputs, checkNodesOf } from '../../src/modules/storage/pool-input.js';
import {
  decidePool,
  measured,
  phaseAfterFailure,
  whilePrepared,
} from '../../src/modules/storage/pool-rules.js';

const BACKENDS = {
  ceph: { monitors: ['192.0.2.1:6789'], poolName: 'vm', user: 'quantix' },
  lvm: { volumeGroup: 'vg0' },
  directory: { path: '/srv/volumes' },
  nfs: { server: 'nfs.example.test', exportPath: '/export' },
  iscsi: { portal: '192.0.2.1:3260', target: 'iqn.2026-01.test:a', lun: 0 },
} as const;
const FITS: Readonly<Record<PoolType, keyof typeof BACKENDS>> = {
  CEPH_RBD: 'ceph',
  CEPH_CEPHFS: 'ceph',
  LOCAL_LVM: 'lvm',
  LOCAL_DIR: 'directory',
  NFS: 'nfs',
  ISCSI: 'iscsi',
};

describe.each(Object.values(PoolType))('a pool of the type %s', (poolType) => {
  const field = FITS[poolType];
  const others = (Object.keys(BACKENDS) as (keyof typeof BACKENDS)[]).filter((f) => f !== field);
  type Given = Parameters<typeof backendFor>[1];

  it('takes the backend of its type', () => {
    const parsed = backendInputs[field].parse(BACKENDS[field]);
    expect(backendFor(poolType, { [field]: parsed } as Given)).toEqual(parsed);
  });

  it('needs it, and takes no other: every fault has its path', () => {
    const strays = Object.fromEntries(others.map((name) => [name, BACKENDS[name]])) as Given;
    expect(() => backendFor(poolType, strays)).toThrow(
      expect.objectContaining({
        issues: [...others, field].map((name) => expect.objectContaining({ path: [name] })),
      }),
    );
  });

  it(`${field === 'lvm' || field === 'directory' ? 'needs' : 'does without'} a node`, () => {
    const check = () => checkNodesOf(poolType, []);
    if (field === 'lvm' || field === 'directory') expect(check).toThrow('needs at least one node');
    else expect(check).not.toThrow();
    expect(() => checkNodesOf(poolType, ['n'])).not.toThrow();
  });
});

it.each([
  ['ceph', { monitors: [], poolName: 'vm', user: 'q' }],
  ['ceph', { monitors: ['--help'], poolName: 'vm', user: 'q' }],
  ['lvm', { volumeGroup: '-v' }],
  ['lvm', { volumeGroup: 'a b' }],
  ['lvm', { volumeGroup: '../etc' }],
  ['directory', { path: 'srv' }],
  ['directory', { path: '/srv/../etc' }],
  ['directory', { path: '/..' }],
  ['nfs', { server: 'a b', exportPath: '/x' }],
  ['nfs', { server: 'nfs', exportPath: '/x', version: '9' }],
  ['iscsi', { portal: 'p', target: 't', lun: -1 }],
  ['iscsi', { portal: 'p', target: 't', lun: 0, chapPassword: 'x' }],
] as const)('a backend %s of %j is refused', (field, value) => {
  expect(backendInputs[field].safeParse(value).success).toBe(false);
});

describe('the phase of a pool', () => {
  it.each([
    ['PREPARE', ['PENDING', 'READY', 'DEGRADED', 'ERROR']],
    ['USE', ['READY', 'DEGRADED']],
  ] as const)('lets %s begin in %j only', (operation, allowed) => {
    const passes = Object.values(PoolPhase).filter((phase) => {
      try {
        decidePool(operation, phase);
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_STATE', current: phase });
        return false;
      }
    });
    expect(passes).toEqual(allowed);
  });

  it('stays while one that works is measured, and only a failure puts that in ERROR', () => {
    expect(whilePrepared('READY')).toBe('READY');
    expect(whilePrepared('ERROR')).toBe('PENDING');
    const end = (status: 'FAILED' | 'TIMED_OUT') => ({
      status,
      errorCode: null,
      errorMessage: null,
    });
    expect(phaseAfterFailure('READY', end('FAILED'))).toBe('ERROR');
    expect(phaseAfterFailure('READY', end('TIMED_OUT'))).toBe('READY');
    expect(phaseAfterFailure('PENDING', end('TIMED_OUT'))).toBe('ERROR');
  });

  it('follows figures that fit the columns, whatever a backend counts', () => {
    expect(measured(10n, 3n)).toEqual({ capacityBytes: 10n, usedBytes: 3n, availableBytes: 7n });
    expect(measured(10n, 11n)).toEqual({ capacityBytes: 10n, usedBytes: 10n, availableBytes: 0n });
  });
});

describe('where an image comes from', () => {
  it.each([
    'https://images.example.test/debian-13.qcow2',
    'http://10.0.0.5:8080/a?signature=x',
    'https://[2001:db8::1]/x',
    'https://Größe.example/x',
  ])('may be %s', (url) => {
    expect(faultOfSource(url)).toBeNull();
  });

  it.each([
    ['ftp://example.test/x', 'https://'],
    ['file:///etc/shadow', 'https://'],
    ['javascript:alert(1)', 'https://'],
    ['not an address', 'https://'],
    ['', 'https://'],
    ['https://user:secret@example.test/x', 'password'],
    ['https://user@example.test/x', 'password'],
    ['https://example.test/x#part', '#'],
    ['http://localhost/x', 'node itself'],
    ['http://a.localhost./x', 'node itself'],
    ['http://127.0.0.1/x', 'node itself'],
    ['http://0x7f.1/x', 'node itself'],
    ['http://[::1]/x', 'node itself'],
    ['http://[::ffff:127.0.0.1]/x', 'node itself'],
    ['http://169.254.169.254/latest/meta-data', 'node itself'],
    ['http://0.0.0.0/x', 'node itself'],
  ])('must not be %s', (url, hint) => {
    expect(faultOfSource(url)).toContain(hint);
  });
});

describe('what an image needs', () => {
  const image = { minCpu: 2, minMemoryMib: 2048, minDiskGib: 20 };

  it('is there when each figure is reached', () => {
    expect(imageShortfalls(image, { vcpus: 2, memoryMib: 2048, diskGib: 20 })).toEqual([]);
    expect(imageShortfalls(image, { vcpus: 2, memoryMib: 2048 })).toEqual([]);
  });

  it('is told figure by figure when it is not', () => {
    expect(imageShortfalls(image, { vcpus: 1, memoryMib: 2047, diskGib: 19 })).toEqual([
      { resource: 'vcpus', needed: 2, given: 1, message: 'the image needs 2 vCPUs at least' },
      {
        resource: 'memoryMib',
        needed: 2048,
        given: 2047,
        message: 'the image needs 2048 MiB of memory at least',
      },
      {
        resource: 'diskGib',
        needed: 20,
        given: 19,
        message: 'the image needs 20 GiB of disk at least',
      },
    ]);
  });
});
