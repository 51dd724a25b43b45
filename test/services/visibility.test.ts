/** Who sees a row is said three times: for SQL, for loaded rows, and as ids that the audit keeps. All must say the same, for every entity, row and viewer. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedDemo } from '../../src/cli/demo/seed.js';
import { ADMINISTRATORS, standsFor } from '../../src/core/audience.js';
import {
  FOR_TOKENS,
  isConfined,
  type ProjectRole,
  type Role,
  type Viewer,
  withScope,
} from '../../src/core/authz.js';
import { allEntities, delegateOf, type Entity, isOnSide, mayRead } from '../../src/core/entity.js';
import type { Data } from '../../src/data/client.js';
import {
  BinnedVirtualMachineEntity,
  VirtualMachineEntity,
} from '../../src/modules/virtual-machine/queries.js';
import { buildSchema } from '../../src/schema.js';
import { createTestApp, openTestData } from '../support/app.js';
import { nodeTypes } from '../support/schema-walk.js';
import { makeTwoTenants } from '../support/two-tenants.js';
import { HASHES, NOW } from './demo-fixtures.js';

buildSchema(); // entities are declared by the modules that it imports
const ENTITIES = allEntities().filter((entity) => nodeTypes.includes(entity.type));

type Row = Record<string, unknown> & { id: string };

const ids = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id);

/** Any viewer that there could be: of each role, one of the users or somebody else, a member of any projects, with or without a token. */
async function viewersOf({ db }: Data): Promise<fc.Arbitrary<Viewer>> {
  const users = ids(await db.user.findMany());
  const projects = ids(await db.project.findMany());
  const membership = fc.tuple(
    fc.constantFrom(...projects),
    fc.constantFrom<ProjectRole>('OPERATOR', 'VIEWER'),
  );
  const scope = fc.record({
    permissions: fc
      .subarray([...FOR_TOKENS], { minLength: Math.floor(FOR_TOKENS.length / 2) })
      .map((permissions) => new Set(permissions)),
    projects: fc.option(fc.subarray(projects).map((only) => new Set(only))),
  });
  return fc
    .record({
      id: fc.oneof(fc.constantFrom(...users), fc.uuid({ version: 7 })),
      role: fc.constantFrom<Role>('ADMIN', 'OPERATOR', 'VIEWER', 'AGENT'),
      memberships: fc.uniqueArray(membership, { selector: ([project]) => project }),
      scope: fc.option(scope),
    })
    .map(({ id, role, memberships, scope }) => {
      const viewer: Viewer = {
        id,
        role,
        userId: role === 'AGENT' ? null : id,
        name: 'anybody',
        projects: new Map(memberships),
        credentialId: 'session',
      };
      return scope && role !== 'AGENT' ? withScope(viewer, scope) : viewer;
    });
}

async function seenBySql(data: Data, entity: Entity, viewer: Viewer): Promise<string[]> {
  const where = entity.visibility.where(viewer);
  const rows = (await delegateOf(data.db, entity.model).findMany({ where })) as Row[];
  return ids(rows).sort();
}

async function seenWhenLoaded(data: Data, entity: Entity, viewer: Viewer): Promise<string[]> {
  const select = { id: true, ...entity.visibility.needs };
  const rows = (await delegateOf(data.db, entity.model).findMany({ select })) as Row[];
  return ids(rows.filter((row) => entity.visibility.sees(viewer, row))).sort();
}

async function seenByAudience(data: Data, entity: Entity, viewer: Viewer): Promise<string[]> {
  const { needs } = entity.visibility;
  const select = { id: true, ...needs };
  const rows = (await delegateOf(data.db, entity.model).findMany({ select })) as Row[];
  const mine = standsFor(viewer);
  const seen = rows.filter((row) => {
    // A part of what is in the bin: its whole's column tells, not its own.
    const audience = entity.visibility.audience(row);
    const isPart = entity.projectColumn === null && Object.values(needs).some((n) => n !== true);
    const there = isOnSide(entity, row) && (audience.length > 0 || !isPart);
    return (there ? [ADMINISTRATORS, ...audience] : audience).some((id) => mine.includes(id));
  });
  return ids(seen).sort();
}

it('every type that has an id is an entity, so that it is tried here', () => {
  expect(ENTITIES.map(({ type }) => type).sort()).toEqual([...nodeTypes].sort());
});

interface DataSet {
  readonly data: Data;
  stop(): Promise<void>;
}

const DATA_SETS: Readonly<Record<string, () => Promise<DataSet>>> = {
  async 'the demo datacenter'() {
    const data = await openTestData('memory');
    await seedDemo(data, { now: NOW, hashes: HASHES });
    return { data, stop: () => data.close() };
  },
  async 'two tenants with references between them'() {
    const world = await createTestApp();
    await makeTwoTenants(world);
    return { data: world.data, stop: () => world.stop() };
  },
};

describe.each(Object.keys(DATA_SETS))('in %s', (name) => {
  let set: DataSet;
  let viewers: fc.Arbitrary<Viewer>;
  beforeAll(async () => {
    set = (await DATA_SETS[name]?.()) ?? expect.fail();
    viewers = await viewersOf(set.data);
  });
  afterAll(() => set.stop());

  async function expectPartOfOwners(seen: string[], entity: Entity, viewer: Viewer) {
    const { permissions } = entity.visibility;
    if (!permissions.every((p) => viewer.scope?.permissions.has(p))) expect(seen).toEqual([]);
    const owner = { ...viewer, scope: undefined };
    expect(await seenBySql(set.data, entity, owner)).toEqual(expect.arrayContaining(seen));
  }

  it.each(ENTITIES)(
    '$type is seen by the same viewers in SQL and when it is loaded',
    async (entity) => {
      const { data } = set;
      const all = await delegateOf(data.db, entity.model).count({});
      const sizes = new Set<number>();
      await fc.assert(
        fc.asyncProperty(viewers, async (viewer) => {
          const seen = await seenBySql(data, entity, viewer);
          expect(await seenWhenLoaded(data, entity, viewer)).toEqual(seen);
          // The feed, which goes by audiences, leaves out kinds that a token may not read all of.
          const inFeed = entity.type !== 'AuditEntry' || !isConfined(viewer);
          const told = inFeed && mayRead(viewer, entity.visibility);
          if (told) expect(await seenByAudience(data, entity, viewer)).toEqual(seen);
          if (viewer.scope) await expectPartOfOwners(seen, entity, viewer);
          else if (viewer.role === 'ADMIN') expect(seen).toHaveLength(all);
          if (viewer.role === 'AGENT') expect(seen).toEqual([]);
          sizes.add(seen.length);
        }),
        { numRuns: 40 },
      );
      // the demo begins without tasks, tokens and sessions
      if (!['ApiToken', 'EnrolmentToken', 'Session', 'Task'].includes(entity.type) || all > 0)
        expect(sizes.size, 'it depends on the viewer').toBeGreaterThan(1);
    },
  );

  it('machines in the bin, and their parts, are seen in the bin alone', async () => {
    const { data } = set;
    await data.db.virtualMachine.updateMany({
      where: { capacityClaimed: false },
      data: { deletedAt: NOW },
    });
    const machines = await data.db.virtualMachine.findMany();
    const [binned, others] = [
      ids(machines.filter((vm) => vm.deletedAt !== null)).sort(),
      ids(machines.filter((vm) => vm.deletedAt === null)).sort(),
    ];
    expect(binned.length).toBeGreaterThan(0);
    const parts = ENTITIES.filter((entity) =>
      JSON.stringify(entity.visibility.needs).includes('deletedAt'),
    );
    expect(parts.map(({ type }) => type).sort()).toEqual([
      'DrsRecommendation',
      'NetworkInterface',
      'VirtualMachine',
      'VirtualMachineSnapshot',
    ]);
    await fc.assert(
      fc.asyncProperty(viewers, async (viewer) => {
        for (const entity of [...parts, BinnedVirtualMachineEntity])
          expect(await seenWhenLoaded(data, entity, viewer)).toEqual(
            await seenBySql(data, entity, viewer),
          );
        if (viewer.role !== 'ADMIN' || viewer.scope) return;
        expect(await seenBySql(data, BinnedVirtualMachineEntity, viewer)).toEqual(binned);
        expect(await seenBySql(data, VirtualMachineEntity, viewer)).toEqual(others);
      }),
      { numRuns: 20 },
    );
  });
});
