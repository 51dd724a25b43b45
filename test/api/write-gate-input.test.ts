/** What the write gate says of inputs that are wrong: everything at once, with the path to each fault, before anything is looked up. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { changedTables, digest } from '../support/digest.js';
import { createStage, mutate, type Stage } from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

interface Issue {
  readonly path: readonly string[];
  readonly message: string;
}

const SPEC = { cpu: { cores: 1 }, memory: { sizeMib: 512 } };
const createVm = async (changes: object) =>
  mutate(stage.admin, 'createVirtualMachine', {
    projectId: stage.project.id,
    name: 'vm',
    spec: SPEC,
    ...changes,
  });
const issuesOf = (answer: object) => (answer as { issues: Issue[] }).issues;
const pathsOf = (answer: object) => issuesOf(answer).map((issue) => issue.path.join('.'));

describe('an input with many faults', () => {
  it('is answered with all of them, each with its path', async () => {
    const answer = await createVm({
      name: 'Not A Name',
      description: 'x'.repeat(1001),
      labels: { '-bad-': 'v', good: 'y'.repeat(256) },
      spec: {
        cpu: { cores: 0, sockets: 17 },
        memory: { sizeMib: 255 },
        nics: [{ name: 'eth0', networkId: 'rubbish', macAddress: '02:00:00:00:00:01' }],
        haPolicy: { restart: 'ALWAYS', priority: 6 },
      },
    });
    expect(answer).toMatchObject({
      __typename: 'ValidationError',
      code: 'VALIDATION',
      retryable: false,
      path: ['name'],
    });
    expect(pathsOf(answer).sort()).toEqual([
      'description',
      'labels.-bad-',
      'labels.good',
      'name',
      'spec.cpu.cores',
      'spec.cpu.sockets',
      'spec.haPolicy.priority',
      'spec.memory.sizeMib',
      'spec.nics.0.networkId',
    ]);
    for (const { path, message } of issuesOf(answer)) {
      expect(answer.message).toContain(`${path.join('.')}: ${message}`);
    }
  });

  it('is not looked up, not written, and noted in the audit log as having failed', async () => {
    const before = await digest(world.data);
    const stranger = encodeGlobalId('Project', newId());
    const answer = await createVm({ projectId: stranger, name: 'X' });
    expect(answer).toMatchObject({ code: 'VALIDATION' });
    expect(changedTables(before, await digest(world.data))).toEqual(['audit_log']);
    const [entry] = await world.data.db.auditEntry.findMany({ orderBy: { seq: 'desc' }, take: 1 });
    expect(entry).toMatchObject({ action: 'virtualMachine.create', status: 'FAILED' });
  });
});

describe('parts that do not fit together', () => {
  it.each<[string, object, string]>([
    [
      'more than 256 vCPUs in all',
      { ...SPEC, cpu: { cores: 64, sockets: 4, threadsPerCore: 2 } },
      'spec.cpu',
    ],
    [
      'a balloon larger than the memory',
      { ...SPEC, memory: { sizeMib: 512, balloonMinMib: 1024 } },
      'spec.memory.balloonMinMib',
    ],
    [
      'two disks of one name',
      {
        ...SPEC,
        disks: [
          { name: 'root', volumeId: encodeGlobalId('Volume', newId()) },
          { name: 'root', volumeId: encodeGlobalId('Volume', newId()) },
        ],
      },
      'spec.disks.name',
    ],
    [
      'two interfaces with one address',
      {
        ...SPEC,
        nics: ['eth0', 'eth1'].map((name) => ({
          name,
          networkId: encodeGlobalId('VirtualNetwork', newId()),
          macAddress: '02:00:00:00:00:09',
        })),
      },
      'spec.nics.macAddress',
    ],
  ])('%s', async (_case, spec, path) => {
    const answer = await createVm({ spec });
    expect(answer).toMatchObject({ code: 'VALIDATION' });
    expect(pathsOf(answer)).toEqual([path]);
  });
});

describe('what does not fit its type', () => {
  const document = `mutation ($input: CreateVirtualMachineInput!) {
    createVirtualMachine(input: $input) { __typename }
  }`;
  const network = encodeGlobalId('VirtualNetwork', newId());
  const nic = (more: object) => [
    { name: 'eth0', networkId: network },
    { name: 'eth1', networkId: network, ...more },
  ];

  it.each<[string, object, string, string]>([
    ['a word that no enumeration has', { spec: { ...SPEC, placement: { policy: 'FIRM' } } }, '$input.spec.placement.policy', 'Value "FIRM" does not exist in "AffinityPolicy" enum.'],
    ['an address in a list', { spec: { ...SPEC, nics: nic({ macAddress: 'zz' }) } }, '$input.spec.nics[1].macAddress', '"zz" is not a MACAddress: use 52:54:00:12:34:56'],
    ['a number that is text', { spec: { ...SPEC, memory: { sizeMib: '512' } } }, '$input.spec.memory.sizeMib', 'Int cannot represent non-integer value: "512"'],
    ['a field that is missing', { spec: { cpu: { cores: 1 } } }, '$input.spec', 'Field "memory" of required type "VirtualMachineMemoryInput!" was not provided.'],
    ['a field that does not exist', { colour: 'red' }, '$input', 'Field "colour" is not defined by type "CreateVirtualMachineInput".'],
  ])('%s: the answer says where, and repeats nothing else of it', async (_case, more, at, fault) => {
    const input = { projectId: stage.project.id, name: 'vm', spec: SPEC, ...more };
    const { errors } = await stage.admin.answer(document, { input });
    const code = expect.stringMatching(/^(BAD_USER_INPUT|GRAPHQL_VALIDATION_FAILED)$/);
    expect(errors).toMatchObject([{ message: `${at}: ${fault}`, extensions: { code, retryable: false } }]);
  }); // biome-ignore format: a table
});

describe('a variable', () => {
  it('that holds the wrong thing itself is named', async () => {
    const document = 'query ($n: Int!) { projects(first: $n) { nodes { name } } }';
    const { errors } = await stage.admin.answer(document, { n: 'many' });
    expect(errors).toMatchObject([
      { message: '$n: Int cannot represent non-integer value: "many"' },
    ]);
  });
});

describe('an id', () => {
  it.each([
    ['of another type', () => stage.cluster.id, 'This is the id of a Cluster; the id of a Project'],
    ['that is a bare UUID', () => stage.project.uuid, 'This is not an id of this API'],
    ['that is empty', () => '', 'This is not an id of this API'],
    [
      'of a type that does not exist',
      () => Buffer.from(`Nothing:${newId()}`).toString('base64url'),
      'This is the id of a Nothing; the id of a Project',
    ],
  ])('%s is a fault of its field', async (_case, projectId, message) => {
    const answer = await createVm({ projectId: projectId() });
    expect(answer).toMatchObject({ code: 'VALIDATION', path: ['projectId'] });
    expect(issuesOf(answer)[0]?.message).toContain(message);
  });
});

describe('text that no database keeps', () => {
  it.each<[string, object, string[]]>([
    ['NUL in a text', { description: 'a\0b' }, ['description']],
    ['half a surrogate pair', { description: 'a\ud800' }, ['description']],
    ['NUL deep inside', { spec: { ...SPEC, guestOs: '\0' } }, ['spec', 'guestOs']],
    ['NUL in the value of a label', { labels: { a: 'x\0' } }, ['labels', 'a']],
    ['NUL in the key of a label', { labels: { 'a\0': 'x' } }, ['labels']],
  ])('%s is refused with its path', async (_case, changes, path) => {
    const answer = await createVm(changes);
    expect(answer).toMatchObject({ code: 'VALIDATION', path });
    expect(answer.message).toContain('cannot be stored');
  });

  it('does not mean emoji: what is sent is what is stored', async () => {
    const description = 'données 🚀 – “ok”';
    const answer = await createVm({ name: 'emoji', description });
    expect(answer.virtualMachine).toMatchObject({ description });
  });
});

describe('limits', () => {
  const labels = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, 'v']));

  it.each<[string, object, string[]]>([
    ['50 labels are taken', { labels: labels(50) }, []],
    ['51 are not', { labels: labels(51) }, ['labels']],
    ['a key of 63 characters is', { labels: { ['k'.repeat(63)]: '' } }, []],
    ['one of 64 is not', { labels: { ['k'.repeat(64)]: '' } }, [`labels.${'k'.repeat(63)}`]],
    ['labels are texts', { labels: { a: 1 } }, ['labels.a']],
    ['labels are an object', { labels: ['a'] }, ['labels']],
    ['a name of 63 characters is taken', { name: `n${'x'.repeat(62)}` }, []],
    ['one of 64 is not', { name: `n${'x'.repeat(63)}` }, ['name']],
    ['an empty name is not', { name: '' }, ['name']],
    ['1,048,576 MiB are taken', { spec: { ...SPEC, memory: { sizeMib: 1_048_576 } } }, []],
    [
      'one more is not',
      { spec: { ...SPEC, memory: { sizeMib: 1_048_577 } } },
      ['spec.memory.sizeMib'],
    ],
  ])('%s', async (_case, changes, paths) => {
    const answer = await createVm({ name: `limit-${newId()}`, ...changes, dryRun: true });
    if (paths.length > 0) expect(pathsOf(answer)).toEqual(paths);
    else expect(answer.code).not.toBe('VALIDATION');
  });

  it('a label cannot be called like a property that every object has', async () => {
    const labels = JSON.parse('{"__proto__": "x"}') as object;
    expect(await createVm({ labels })).toMatchObject({ code: 'VALIDATION', path: ['labels'] });
    const answer = await createVm({ name: 'ctor', labels: { constructor: 'x' } });
    expect(answer.virtualMachine).toMatchObject({ labels: { constructor: 'x' } });
  });
});

describe('null', () => {
  it('where nothing must be given is the same as nothing', async () => {
    const cluster = await world.seed.cluster({ description: 'kept' });
    const answer = await mutate(stage.admin, 'updateCluster', {
      id: cluster.id,
      name: null,
      description: null,
      haEnabled: true,
    });
    expect(answer.cluster).toMatchObject({
      name: cluster.name,
      description: 'kept',
      haEnabled: true,
    });
  });
});
