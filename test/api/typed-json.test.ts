/** JSON columns have types in the API, and the types leave nothing out: what is stored is shown, what a caller sets is read back. Secrets alone stay behind. */
import { getNamedType, isInputObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedDemo } from '../../src/cli/demo/seed.js';
import { decodeGlobalId, encodeGlobalId, isUuid } from '../../src/ids.js';
import { graphql } from '../gen/gql.js';
import type { VirtualMachineSpecInput } from '../gen/graphql.js';
import { HASHES } from '../services/demo-fixtures.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { api, leaves } from '../support/schema-walk.js';

const Create = graphql(`
  mutation TypedJsonCreate($input: CreateVirtualMachineInput!) {
    createVirtualMachine(input: $input) {
      __typename
      ... on CreateVirtualMachinePayload { virtualMachine { id labels } }
      ... on UserError { code message path }
    }
  }
`);

let world: TestApp;
let admin: Client;
beforeAll(async () => {
  world = await createTestApp();
  await seedDemo(world.data, { now: new Date(), hashes: HASHES });
  await world.seed.user('ADMIN', { username: 'zoe' });
  admin = await world.signIn('zoe');
});
afterAll(() => world.stop());

type Shown = Readonly<Record<string, unknown>>;

async function show(type: string, uuid: string): Promise<Shown> {
  const query = `query($id: ID!) { node(id: $id) { ... on ${type} { ${leaves(type)} } } }`;
  const { data, errors } = await admin.answer<{ node: Shown | null }, unknown>(query, {
    id: encodeGlobalId(type, uuid),
  });
  expect(errors).toEqual([]);
  return data?.node ?? expect.fail(`${type} ${uuid} is not there`);
}

/** Where the API calls a part otherwise than the column does. */
const RENAMED: Readonly<Record<string, string>> = { 'source.id': 'source.sourceId' };

/** The paths to what is stored and not shown as it is. Ids are shown in their public form, large numbers as digits. */
function missing(stored: unknown, shown: unknown, path: string[] = []): string[] {
  if (Array.isArray(stored)) {
    if (!Array.isArray(shown) || shown.length !== stored.length) return [path.join('.')];
    return stored.flatMap((part, i) => missing(part, shown[i], [...path, String(i)]));
  }
  if (typeof stored === 'object' && stored !== null) {
    return Object.entries(stored).flatMap(([key, part]) => {
      const here = [...path, key];
      const name = RENAMED[here.slice(-2).join('.')]?.split('.').at(-1) ?? key;
      return missing(part, (shown as Shown | null)?.[name], here);
    });
  }
  const same =
    shown === stored ||
    (typeof stored === 'number' && shown === String(stored)) ||
    (typeof stored === 'string' && isUuid(stored) && decodeGlobalId(String(shown))?.id === stored);
  return same ? [] : [path.join('.')];
}

/** Without the places in lists: `disks.0.bus` is `disks.bus`. */
const kinds = (paths: readonly string[]): string[] =>
  [...new Set(paths.map((path) => path.replace(/\.\d+/g, '')))].sort();

describe('in the demo datacenter, what is stored is shown', () => {
  it('of virtual machines, but for what is only meant for the guest', async () => {
    const machines = await world.data.db.virtualMachine.findMany();
    const left: string[] = [];
    for (const { id, spec, resources } of machines) {
      const shown = await show('VirtualMachine', id);
      left.push(...missing(spec, shown.spec, ['spec']));
      left.push(...missing(resources, shown.resources, ['resources']));
    }
    // Storage is a matter of volumes: a machine always takes 0 of it.
    expect(kinds(left)).toEqual(['resources.storageGib', 'spec.provisioning.userData']);
    expect(machines.length).toBeGreaterThan(20);
  });

  it('of hypervisor nodes', async () => {
    for (const node of await world.data.db.node.findMany()) {
      const shown = await show('HypervisorNode', node.id);
      for (const column of [
        'spec',
        'systemInfo',
        'allocatable',
        'allocated',
        'conditions',
        'labels',
      ] as const) {
        expect([column, missing(node[column], shown[column])]).toEqual([column, []]);
      }
    }
  });

  it('of storage pools, volumes and projects', async () => {
    for (const { id, spec } of await world.data.db.storagePool.findMany()) {
      expect(missing(spec, (await show('StoragePool', id)).spec)).toEqual([]);
    }
    for (const { id, spec } of await world.data.db.volume.findMany()) {
      expect(missing(spec, (await show('Volume', id)).spec)).toEqual([]);
    }
    for (const { id, quota } of await world.data.db.project.findMany()) {
      const lines = (await show('Project', id)).quota as {
        resource: string;
        limit: number | null;
      }[];
      const limits = Object.fromEntries(
        lines.map(({ resource, limit }) => [camel(resource), limit]),
      );
      expect(missing(quota, limits)).toEqual([]);
      expect(lines).toHaveLength(6);
    }
  });
});

const camel = (symbol: string): string =>
  symbol.toLowerCase().replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase());

const BACKENDS = {
  CEPH_RBD: { monitors: ['192.0.2.1:6789', 'mon.example'], poolName: 'vms', user: 'qx' },
  CEPH_CEPHFS: { monitors: ['[2001:db8::1]:6789'], poolName: 'fs', user: 'qx' },
  LOCAL_LVM: { volumeGroup: 'vg0', thinPool: 'thin' },
  LOCAL_DIR: { path: '/srv/vms' },
  NFS: { server: 'nfs.example', exportPath: '/export', version: '4.2' },
  ISCSI: { portal: '192.0.2.9:3260', target: 'iqn.2027-01.example:vms', lun: 7, chapUser: 'qx' },
} as const;

describe('everything that can be set is read back', () => {
  it.each(Object.keys(BACKENDS) as (keyof typeof BACKENDS)[])(
    'of a pool on %s',
    async (poolType) => {
      const spec = {
        backend: BACKENDS[poolType],
        defaults: { provisioning: 'THICK_EAGER', accessMode: 'READ_WRITE_MANY' },
        qos: { maxIops: 5_000, maxThroughputBytes: 2 ** 40 },
      };
      const { uuid } = await world.seed.pool({ poolType, spec });
      expect(missing(spec, (await show('StoragePool', uuid)).spec)).toEqual([]);
    },
  );

  it('of a pool, but never a secret', async () => {
    const backend = { ...BACKENDS.ISCSI, chapPassword: 'hunter2-ciphertext' };
    const { uuid } = await world.seed.pool({ poolType: 'ISCSI', spec: { backend } });
    const shown = await show('StoragePool', uuid);
    expect(shown).toMatchObject({ spec: { backend: { chapPasswordSet: true } } });
    expect(JSON.stringify(shown)).not.toContain('hunter2');
  });

  it.each([
    ['EMPTY', null],
    ['CLONE', 'Volume'],
    ['SNAPSHOT', 'VirtualMachineSnapshot'],
    ['IMAGE', 'Image'],
  ])('of a volume made as %s', async (type, of) => {
    const { seed } = world;
    const id = '019a0000-0000-7000-8000-00000000000a';
    const spec = {
      source: { type, ...(of ? { id } : {}) },
      qos: { maxIops: 1, maxThroughputBytes: 1_000_000 },
      accessMode: 'READ_ONLY_MANY',
    };
    const { uuid } = await seed.volume(await seed.project(), await seed.pool(), { spec });
    const shown = await show('Volume', uuid);
    expect(missing(spec, shown.spec)).toEqual([]);
    const sourceId = of && encodeGlobalId(of, id);
    expect(shown).toMatchObject({ spec: { source: { type, sourceId } } });
  });

  it('of a virtual machine, through the API from the caller back to the caller', async () => {
    const { seed } = world;
    const project = await seed.project();
    const cluster = await seed.cluster();
    const nodes = [await seed.node(cluster), await seed.node(cluster)] as const;
    const pool = await seed.pool();
    const network = await seed.network();
    const group = await seed.group(project);
    const image = await seed.image();
    const volumes = [await seed.volume(project, pool), await seed.volume(project, pool)] as const;
    const spec: VirtualMachineSpecInput = {
      cpu: { cores: 2, sockets: 2, threadsPerCore: 2, model: 'EPYC-v4' },
      memory: { sizeMib: 4096, balloonMinMib: 1024, hugePages: true },
      disks: volumes.map(({ id }, i) => ({
        name: `disk-${i}`,
        volumeId: id,
        bus: 'NVME' as const,
        cache: 'WRITETHROUGH' as const,
        bootOrder: 2 - i,
        iopsLimit: 700 + i,
      })),
      nics: [
        {
          name: 'net-0',
          networkId: network.id,
          macAddress: '52:54:00:12:34:56',
          ipAddresses: ['192.0.2.77', '2001:db8::77'],
          securityGroupIds: [group.id],
          model: 'E1000',
          bandwidthMbps: 250,
        },
      ],
      cdroms: [{ imageId: image.id }],
      display: { type: 'SPICE' },
      boot: { firmware: 'UEFI_SECURE_BOOT', order: ['NETWORK', 'CDROM', 'DISK'] },
      placement: {
        clusterId: cluster.id,
        requiredNodeIds: [nodes[0].id],
        excludedNodeIds: [nodes[1].id],
        affinityLabels: { app: 'shop' },
        antiAffinityLabels: { tier: 'größe 🙂' },
        policy: 'SOFT',
      },
      haPolicy: { restart: 'ON_FAILURE', priority: 5, maxRestarts: 9 },
      guestOs: 'debian-13',
      provisioning: { method: 'IGNITION', userData: '{"ignition":{"version":"3.4.0"}}' },
      hotAdd: true,
    };
    expect(unset('VirtualMachineSpecInput', spec)).toEqual([]);
    const labels = { env: 'prod', 'example.com/size': 'größe 🙂 "x"\n' };
    const { createVirtualMachine: created } = await admin.run(Create, {
      input: { projectId: project.id, name: 'everything', labels, spec },
    });
    expect(created).toMatchObject({ virtualMachine: { labels } });
    const id = 'virtualMachine' in created ? (created.virtualMachine?.id ?? '') : '';
    const shown = await show('VirtualMachine', decodeGlobalId(id)?.id ?? '');
    expect(missing(spec, shown.spec)).toEqual(['provisioning.userData']);
    expect(shown).toMatchObject({ spec: { provisioning: { hasUserData: true } } });
    expect(JSON.stringify(shown)).not.toContain('3.4.0');
  });
});

/** The fields of an input type that a value leaves out, all the way down. */
function unset(typeName: string, value: unknown, path: readonly string[] = []): string[] {
  const type = api.getType(typeName);
  if (!isInputObjectType(type)) return [];
  const first = (Array.isArray(value) ? value[0] : value) as Shown | undefined;
  return Object.values(type.getFields()).flatMap((field) => {
    const here = [...path, field.name];
    const part = first?.[field.name];
    return part === undefined ? [here.join('.')] : unset(getNamedType(field.type).name, part, here);
  });
}
