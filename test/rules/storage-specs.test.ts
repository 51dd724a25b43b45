/** The tolerant reading of the JSON of storage pools and volumes. */
import { describe, expect, test } from 'vitest';
import { readPoolSpec } from '../../src/modules/storage/pool-spec.js';
import { readVolumeSpec } from '../../src/modules/storage/volume-spec.js';

const NOTHING = { maxIops: null, maxThroughputBytes: null };
const ID = '019a0000-0000-7000-8000-000000000001';

describe('the spec of a storage pool', () => {
  test('is read whole when it is whole', () => {
    const spec = readPoolSpec('CEPH_RBD', {
      backend: { monitors: ['192.0.2.1:6789', '192.0.2.2:6789'], poolName: 'vms', user: 'quantix' },
      defaults: { provisioning: 'THICK_LAZY', accessMode: 'READ_WRITE_ONCE' },
      qos: { maxIops: 5000, maxThroughputBytes: 1_000_000_000 },
    });
    expect(spec).toEqual({
      backend: {
        kind: 'CEPH',
        monitors: ['192.0.2.1:6789', '192.0.2.2:6789'],
        poolName: 'vms',
        user: 'quantix',
      },
      defaults: { provisioning: 'THICK_LAZY', accessMode: 'READ_WRITE_ONCE' },
      qos: { maxIops: 5000, maxThroughputBytes: 1_000_000_000 },
    });
  });

  test.each([
    ['CEPH_RBD', 'CEPH', ['monitors', 'poolName', 'user']],
    ['CEPH_CEPHFS', 'CEPH', ['monitors', 'poolName', 'user']],
    ['LOCAL_LVM', 'LVM', ['thinPool', 'volumeGroup']],
    ['LOCAL_DIR', 'DIRECTORY', ['path']],
    ['NFS', 'NFS', ['exportPath', 'server', 'version']],
    ['ISCSI', 'ISCSI', ['chapUser', 'lun', 'portal', 'target']],
  ] as const)(
    'of type %s has a backend of kind %s, whose fields are null when absent',
    (type, kind, fields) => {
      const { backend } = readPoolSpec(type, {});
      const { kind: readKind, ...rest } = backend as unknown as Record<string, unknown>;
      delete rest.chapPasswordSet;
      expect(readKind).toBe(kind);
      expect(Object.keys(rest).sort()).toEqual(fields);
      expect(Object.values(rest).every((value) => value === null)).toBe(true);
    },
  );

  test('takes only the fields of its own backend', () => {
    const json = { backend: { path: '/srv/vms', server: '192.0.2.7', exportPath: '/vms' } };
    expect(readPoolSpec('LOCAL_DIR', json).backend).toEqual({
      kind: 'DIRECTORY',
      path: '/srv/vms',
    });
  });

  test('never carries a secret, only whether there is one', () => {
    const json = (chapPassword: unknown) => ({
      backend: { portal: '192.0.2.9:3260', target: 'iqn.2026-01.test:a', lun: 0, chapPassword },
    });
    const secret = readPoolSpec('ISCSI', json('hunter2'));
    expect(JSON.stringify(secret)).not.toContain('hunter2');
    expect(secret.backend).toMatchObject({ lun: 0, chapUser: null, chapPasswordSet: true });
    for (const none of ['', null, undefined]) {
      expect(readPoolSpec('ISCSI', json(none)).backend).toMatchObject({ chapPasswordSet: false });
    }
  });

  test.each([null, undefined, 7, 'text', [], { backend: 3, defaults: [], qos: 'fast' }])(
    'is empty, not an error, when the column holds %j',
    (json) => {
      expect(readPoolSpec('LOCAL_DIR', json)).toEqual({
        backend: { kind: 'DIRECTORY', path: null },
        defaults: { provisioning: null, accessMode: null },
        qos: NOTHING,
      });
    },
  );

  test('loses one bad field and keeps its neighbours', () => {
    const json = { backend: { portal: '192.0.2.9:3260', target: 12, lun: 1.5 } };
    expect(readPoolSpec('ISCSI', json).backend).toMatchObject({
      portal: '192.0.2.9:3260',
      target: null,
      lun: null,
    });
  });
});

describe('the spec of a volume', () => {
  test.each([
    ['CLONE', 'Volume'],
    ['SNAPSHOT', 'VirtualMachineSnapshot'],
    ['IMAGE', 'Image'],
  ])('made by %s names a %s as its source', (type, entity) => {
    expect(readVolumeSpec({ source: { type, id: ID } }).source).toEqual({ type, entity, id: ID });
  });

  test.each([
    [
      { type: 'EMPTY', id: ID },
      { type: 'EMPTY', entity: null, id: null },
    ],
    [{ type: 'IMAGE' }, { type: 'IMAGE', entity: null, id: null }],
    [
      { type: 'IMAGE', id: 'no-uuid' },
      { type: 'IMAGE', entity: null, id: null },
    ],
    [{ type: 'TAPE', id: ID }, null],
    [{ id: ID }, null],
    ['IMAGE', null],
  ])('with the source %j reads it as %j', (source, read) => {
    expect(readVolumeSpec({ source }).source).toEqual(read);
  });

  test.each([
    [400, 400],
    ['400', 400],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [1.5, null],
    [0, null],
    [-1, null],
    ['fast', null],
    ['9999999999999999', null],
  ])('with a throughput of %j bytes in a second reads %j', (stored, read) => {
    expect(readVolumeSpec({ qos: { maxThroughputBytes: stored } }).qos).toEqual({
      maxIops: null,
      maxThroughputBytes: read,
    });
  });

  test('is empty, not an error, when the column holds something else', () => {
    for (const json of [null, undefined, 7, 'text', [], {}]) {
      expect(readVolumeSpec(json)).toEqual({ source: null, qos: NOTHING, accessMode: null });
    }
    expect(readVolumeSpec({ accessMode: 'READ_ONLY_MANY' }).accessMode).toBe('READ_ONLY_MANY');
  });
});
