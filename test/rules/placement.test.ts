/** Placement: each obstacle by its words, the score by what it prefers, and invariants over any set of nodes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NodeIntent, NodePhase } from '../../src/gen/client/enums.js';
import { type Capacity, freeCapacity } from '../../src/modules/node/rules.js';
import {
  type Candidate,
  lost,
  type PlacementRequest,
  type PlacementSettings,
  place,
} from '../../src/modules/virtual-machine/placement.js';

const SPREAD: PlacementSettings = { overcommit: { cpu: 2, memory: 1.5 }, policy: 'spread' };
const PACK: PlacementSettings = { ...SPREAD, policy: 'pack' };
const capacity = (vcpus: number, memoryMib: number, storageGib = 0): Capacity => ({
  vcpus,
  memoryMib,
  storageGib,
});

const node = (id: string, changes: Partial<Candidate> = {}): Candidate => ({
  id,
  hostname: `${id}.example`,
  clusterId: 'east',
  phase: 'READY',
  intent: 'IN_SERVICE',
  allocatable: capacity(8, 16_384, 100),
  allocated: capacity(0, 0),
  neighbours: [],
  ...changes,
});

const wanted = (changes: Partial<PlacementRequest> = {}): PlacementRequest => ({
  resources: capacity(2, 4_096),
  constraints: undefined,
  clusterId: null,
  preferredNodeId: null,
  ...changes,
});

const reasonsOf = (request: PlacementRequest, candidate: Candidate, settings = SPREAD) =>
  place(request, [candidate], settings).verdicts[0]?.reasons;

it('where none fits, the verdict on the node that was asked for comes first', () => {
  const nodes = ['a', 'b', 'z'].map((id) => node(id, { intent: 'CORDONED' }));
  const { verdicts } = place(wanted({ constraints: { requiredNodeIds: ['z'] } }), nodes, SPREAD);
  expect(verdicts.map(({ nodeId }) => nodeId)).toEqual(['z', 'a', 'b']);
});

describe('a node cannot take a machine', () => {
  it.each<[string, Partial<Candidate>, Partial<PlacementRequest>, string[]]>([
    ['in another cluster', {}, { clusterId: 'west' }, ['is in another cluster']],
    ['that does not report', { phase: 'NOT_READY' }, {}, ['is NOT_READY']],
    ['that never reported', { phase: 'PENDING' }, {}, ['is PENDING']],
    ['that is lost', { phase: 'DISCONNECTED' }, {}, ['is DISCONNECTED']],
    ['in maintenance, though it reports', { intent: 'MAINTENANCE' }, {}, ['is MAINTENANCE']],
    ['being drained, though it reports', { intent: 'DRAINING' }, {}, ['is DRAINING']],
    ['that is cordoned', { intent: 'CORDONED' }, {}, ['is cordoned']],
    [
      'that is not among the required ones',
      {},
      { constraints: { requiredNodeIds: ['other'] } },
      ['is not among the required nodes'],
    ],
    ['that is excluded', {}, { constraints: { excludedNodeIds: ['n'] } }, ['is excluded']],
    [
      'without enough processors, overcommit included',
      { allocated: capacity(15, 0) },
      {},
      ['has 1 of 2 vCPUs free'],
    ],
    [
      'without enough memory, overcommit included',
      { allocated: capacity(0, 24_000) },
      {},
      ['has 576 of 4096 MiB of memory free'],
    ],
    [
      'without enough storage, which is never overcommitted',
      {},
      { resources: capacity(1, 256, 101) },
      ['has 100 of 101 GiB of storage free'],
    ],
    [
      'that holds more than it has since its hardware shrank, and says 0 rather than less',
      { allocated: capacity(20, 0) },
      {},
      ['has 0 of 2 vCPUs free'],
    ],
    [
      'without a neighbour that it must be near',
      { neighbours: [{ app: 'db', env: 'test' }] },
      { constraints: { affinityLabels: { app: 'db', env: 'live' } } },
      ['has none of the machines that it must be near'],
    ],
    [
      'with a neighbour that it must keep away from',
      { neighbours: [{ app: 'db' }] },
      { constraints: { antiAffinityLabels: { app: 'db' } } },
      ['has a machine that it must keep away from'],
    ],
    [
      'for every reason at once',
      { phase: 'NOT_READY', intent: 'CORDONED', allocated: capacity(16, 24_576) },
      { clusterId: 'west' },
      [
        'is in another cluster',
        'is NOT_READY',
        'is cordoned',
        'has 0 of 2 vCPUs free',
        'has 0 of 4096 MiB of memory free',
      ],
    ],
  ])('%s', (_case, candidate, request, reasons) => {
    expect(reasonsOf(wanted(request), node('n', candidate))).toEqual(reasons);
  });
});

describe('a node can take a machine', () => {
  it.each<[string, Partial<Candidate>, Partial<PlacementRequest>]>([
    ['that fills it to the last vCPU', { allocated: capacity(14, 0) }, {}],
    ['that fills it to the last MiB', { allocated: capacity(0, 24_576 - 4_096) }, {}],
    ['that requires it', {}, { constraints: { requiredNodeIds: ['n', 'm'] } }],
    [
      'with the neighbour that it must be near',
      { neighbours: [{ app: 'web' }, { app: 'db', env: 'live' }] },
      { constraints: { affinityLabels: { app: 'db' } } },
    ],
    ['whose affinity names no label', {}, { constraints: { affinityLabels: {} } }],
    [
      'that would rather be elsewhere, when affinity is soft',
      { neighbours: [{ app: 'db' }] },
      { constraints: { antiAffinityLabels: { app: 'db' }, policy: 'SOFT' } },
    ],
  ])('%s', (_case, candidate, request) => {
    expect(reasonsOf(wanted(request), node('n', candidate))).toEqual([]);
  });
});

describe('the best node', () => {
  const empty = node('a');
  const half = node('b', { allocated: capacity(8, 12_288) });
  const best = (request: PlacementRequest, nodes: Candidate[], settings = SPREAD) =>
    place(request, nodes, settings).ranked[0];

  it('is the emptiest when machines are spread, the fullest when they are packed', () => {
    expect(best(wanted(), [half, empty])).toBe('a');
    expect(best(wanted(), [half, empty], PACK)).toBe('b');
  });

  it('is where the machine was, when little speaks against it', () => {
    const nearly = node('b', { allocated: capacity(1, 1_024) });
    expect(best(wanted({ preferredNodeId: 'b' }), [empty, nearly])).toBe('b');
    expect(best(wanted({ preferredNodeId: 'b' }), [empty, half])).toBe('a');
  });

  it('has the soft neighbours that were asked for, and not those that were not', () => {
    const company = node('b', { allocated: capacity(4, 6_144), neighbours: [{ app: 'db' }] });
    const soft = (labels: object) => wanted({ constraints: { ...labels, policy: 'SOFT' } });
    expect(best(soft({ affinityLabels: { app: 'db' } }), [empty, company])).toBe('b');
    expect(best(soft({ antiAffinityLabels: { app: 'db' } }), [empty, company], PACK)).toBe('a');
  });

  it('is the first by name among equals', () => {
    expect(place(wanted(), [node('c'), node('a'), node('b')], SPREAD).ranked).toEqual([
      'a',
      'b',
      'c',
    ]);
  });
});

const anyCapacity = fc.record({
  vcpus: fc.nat(64),
  memoryMib: fc.nat(65_536),
  storageGib: fc.nat(1_000),
});
const anyLabels = fc.dictionary(fc.constantFrom('app', 'env'), fc.constantFrom('db', 'web'));
const ids = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];
const anyNodes: fc.Arbitrary<Candidate[]> = fc.subarray(ids).chain((chosen) =>
  fc.tuple(
    ...chosen.map((id) =>
      fc.record({
        id: fc.constant(id),
        hostname: fc.constant(`${id}.example`),
        clusterId: fc.constantFrom('east', 'west'),
        phase: fc.oneof(
          fc.constant('READY' as const),
          fc.constantFrom(...Object.values(NodePhase)),
        ),
        intent: fc.oneof(
          fc.constant('IN_SERVICE' as const),
          fc.constantFrom(...Object.values(NodeIntent)),
        ),
        allocatable: anyCapacity,
        allocated: anyCapacity,
        neighbours: fc.array(anyLabels, { maxLength: 3 }),
      }),
    ),
  ),
);
const anyRequest = fc.record({
  resources: fc.record({
    vcpus: fc.integer({ min: 1, max: 32 }),
    memoryMib: fc.integer({ min: 256, max: 32_768 }),
    storageGib: fc.nat(100),
  }),
  constraints: fc.record(
    {
      requiredNodeIds: fc.subarray(ids),
      excludedNodeIds: fc.subarray(ids, { maxLength: 2 }),
      affinityLabels: anyLabels,
      antiAffinityLabels: anyLabels,
      policy: fc.constantFrom('HARD' as const, 'SOFT' as const),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<PlacementRequest['constraints']>,
  clusterId: fc.option(fc.constantFrom('east', 'west')),
  preferredNodeId: fc.option(fc.constantFrom(...ids)),
});
const anySettings = fc.record({
  overcommit: fc.record({
    cpu: fc.constantFrom(0.5, 1, 1.15, 2, 4),
    memory: fc.constantFrom(1, 1.1, 1.5),
  }),
  policy: fc.constantFrom('spread' as const, 'pack' as const),
});

describe('the score', () => {
  it('says what it is made of', () => {
    const company = node('n', {
      allocated: capacity(6, 8_192),
      neighbours: [{ app: 'db', env: 'test' }],
    });
    const constraints = {
      affinityLabels: { app: 'db' },
      antiAffinityLabels: { env: 'test' },
      policy: 'SOFT' as const,
    };
    const request = wanted({ preferredNodeId: 'n', constraints });
    expect(place(request, [company], SPREAD).verdicts[0]).toMatchObject({
      score: 0.6,
      parts: [
        { name: 'LOAD', value: 0.5 },
        { name: 'PREFERENCE', value: 0.1 },
        { name: 'AFFINITY', value: 0.5 },
        { name: 'ANTI_AFFINITY', value: -0.5 },
      ],
    });
  });
});

describe('whatever the nodes and the machine', () => {
  const check = (test: (r: PlacementRequest, n: Candidate[], s: PlacementSettings) => void) =>
    fc.assert(fc.property(anyRequest, anyNodes, anySettings, test), { numRuns: 2_000 });

  it('there is one verdict for each node, and it has either a score or reasons', () => {
    check((request, nodes, settings) => {
      const { verdicts, ranked } = place(request, nodes, settings);
      expect(verdicts.map((v) => v.nodeId).sort()).toEqual(nodes.map((n) => n.id).sort());
      for (const verdict of verdicts) {
        expect(verdict.fits).toBe(verdict.reasons.length === 0);
        expect(verdict.fits).toBe(verdict.score !== null);
      }
      expect(ranked).toEqual(verdicts.filter((v) => v.fits).map((v) => v.nodeId));
    });
  });

  it('ranked nodes fit: ready, in service, allowed, and with room for it', () => {
    check((request, nodes, settings) => {
      const { constraints, clusterId, resources } = request;
      for (const id of place(request, nodes, settings).ranked) {
        const chosen = nodes.find((n) => n.id === id);
        expect(chosen).toMatchObject({ phase: 'READY', intent: 'IN_SERVICE' });
        if (!chosen) return;
        if (clusterId) expect(chosen.clusterId).toBe(clusterId);
        if (constraints?.requiredNodeIds) expect(constraints.requiredNodeIds).toContain(id);
        expect(constraints?.excludedNodeIds ?? []).not.toContain(id);
        const free = freeCapacity(chosen.allocatable, chosen.allocated, settings.overcommit);
        expect(free.vcpus).toBeGreaterThanOrEqual(resources.vcpus);
        expect(free.memoryMib).toBeGreaterThanOrEqual(resources.memoryMib);
        expect(free.storageGib).toBeGreaterThanOrEqual(resources.storageGib);
      }
    });
  });

  it('the score of a node is the sum of its named parts, each once', () => {
    check((request, nodes, settings) => {
      for (const { score, parts = [], fits } of place(request, nodes, settings).verdicts) {
        const sum = parts.reduce((total, part) => total + part.value, 0);
        expect(score ?? 0).toBeCloseTo(sum, 9);
        expect(parts.length > 0).toBe(fits);
        expect(new Set(parts.map((part) => part.name)).size).toBe(parts.length);
      }
    });
  });

  it('the best come first, those that do not fit last, whatever order they are given in', () => {
    check((request, nodes, settings) => {
      const placement = place(request, nodes, settings);
      const scores = placement.verdicts.map((v) => v.score ?? Number.NEGATIVE_INFINITY);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
      expect(place(request, [...nodes].reverse(), settings)).toEqual(placement);
    });
  });

  it('a node with more room never becomes unfit by it', () => {
    check((request, nodes, settings) => {
      const roomier = nodes.map((n) => ({ ...n, allocated: capacity(0, 0) }));
      const { ranked } = place(request, roomier, settings);
      for (const id of place(request, nodes, settings).ranked) expect(ranked).toContain(id);
    });
  });
});

describe('what is free of a node', () => {
  it.each([
    [100, 1.15, 115],
    [10, 1.1, 11],
    [7, 0.5, 3],
    [1_000_000_000, 1.5, 1_500_000_000],
  ])(
    '%i processors times %f are %i, not one less for the sake of binary fractions',
    (n, by, free) => {
      const overcommit = { cpu: by, memory: by };
      expect(freeCapacity(capacity(n, n), capacity(0, 0), overcommit)).toMatchObject({
        vcpus: free,
        memoryMib: free,
      });
    },
  );
});

it('after a lost race only the nodes that had room say that it was taken', () => {
  const nodes = [node('free'), node('broken', { phase: 'NOT_READY' })];
  const before = place(wanted(), nodes, SPREAD).verdicts;
  const after = new Map(before.map(lost).map((verdict) => [verdict.nodeId, verdict]));
  expect(after.get('free')).toMatchObject({
    fits: false,
    score: null,
    reasons: ['was taken meanwhile'],
  });
  expect(after.get('broken')).toEqual(before.find(({ nodeId }) => nodeId === 'broken'));
});
