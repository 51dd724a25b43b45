/**
 * Lists that change while somebody pages through them, on both databases. Whatever is inserted, deleted or moved between
 * two pages: what was there all along is seen exactly once, and nothing that stayed in its place is seen twice.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '../../src/data/client.js';
import { decodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { idsOf, type Page, rootListFields, walkPages } from '../support/list-walk.js';

/** A list whose rows have one of a few values in the column that it is ordered by. `tag` keeps one run's rows apart. */
interface Subject {
  readonly type: string;
  readonly order: string;
  readonly insert: (db: Db, tag: string, rows: readonly Planned[]) => Promise<unknown>;
  readonly remove: (db: Db, id: string) => Promise<unknown>;
  /** Gives a row another value. */
  readonly move: (db: Db, id: string, value: number) => Promise<unknown>;
  readonly filter: (tag: string) => object;
}
interface Planned {
  readonly id: string;
  readonly value: number;
}

const nth = <T>(values: readonly T[], value: number): T => values[value % values.length] as T;
const moment = (value: number): Date => new Date(Date.UTC(2027, 0, 1, 0, 0, 0, value % 3));
const severity = (value: number) => nth(['CRITICAL', 'WARNING', 'INFO'] as const, value);
const priority = (value: number) => nth(['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'] as const, value);
const size = (value: number): bigint => nth([1n, 2n ** 40n, 2n ** 63n - 1n], value);

let owner = { project: '', pool: '', cluster: '' };

const alerts = (order: string): Subject => ({
  type: 'Alert',
  order,
  filter: (tag) => ({ sourceName: { eq: tag } }),
  insert: (db, tag, rows) =>
    db.alert.createMany({
      data: rows.map(({ id, value }) => ({
        id,
        title: 'a',
        kind: id,
        sourceName: tag,
        sourceType: 'SYSTEM' as const,
        severity: severity(value),
        createdAt: moment(value),
      })),
    }),
  remove: (db, id) => db.alert.delete({ where: { id } }),
  move: (db, id, value) =>
    db.alert.update({
      where: { id },
      data: { severity: severity(value), createdAt: moment(value) },
    }),
});

const SUBJECTS: readonly Subject[] = [
  alerts('SEVERITY'),
  alerts('CREATED_AT'),
  {
    type: 'DrsRecommendation',
    order: 'PRIORITY',
    filter: (tag) => ({ reason: { eq: tag } }),
    insert: (db, tag, rows) =>
      db.drsRecommendation.createMany({
        data: rows.map(({ id, value }) => ({
          id,
          clusterId: owner.cluster,
          recommendationType: 'MIGRATE' as const,
          reason: tag,
          priority: priority(value),
        })),
      }),
    remove: (db, id) => db.drsRecommendation.delete({ where: { id } }),
    move: (db, id, value) =>
      db.drsRecommendation.update({ where: { id }, data: { priority: priority(value) } }),
  },
  {
    type: 'VirtualMachine',
    order: 'UPDATED_AT',
    filter: (tag) => ({ description: { eq: tag } }),
    insert: (db, tag, rows) =>
      db.virtualMachine.createMany({
        data: rows.map(({ id, value }) => ({
          id,
          name: `m-${id}`,
          description: tag,
          projectId: owner.project,
          updatedAt: moment(value),
        })),
      }),
    remove: (db, id) => db.virtualMachine.delete({ where: { id } }),
    move: (db, id, value) =>
      db.virtualMachine.update({ where: { id }, data: { updatedAt: moment(value) } }),
  },
  {
    type: 'Volume',
    order: 'SIZE_BYTES',
    filter: (tag) => ({ name: { startsWith: `${tag}-` } }),
    insert: (db, tag, rows) =>
      db.volume.createMany({
        data: rows.map(({ id, value }) => ({
          id,
          name: `${tag}-${id}`,
          projectId: owner.project,
          poolId: owner.pool,
          sizeBytes: size(value),
        })),
      }),
    remove: (db, id) => db.volume.delete({ where: { id } }),
    move: (db, id, value) => db.volume.update({ where: { id }, data: { sizeBytes: size(value) } }),
  },
  {
    type: 'Image',
    order: 'NAME',
    filter: (tag) => ({ description: { eq: tag } }),
    insert: (db, tag, rows) =>
      db.image.createMany({
        data: rows.map(({ id, value }) => ({
          id,
          name: `${nth(['a', 'b-', 'b', 'bb'], value)}${id}`,
          description: tag,
          osType: 'linux',
          format: 'RAW' as const,
        })),
      }),
    remove: (db, id) => db.image.delete({ where: { id } }),
    move: (db, id, value) =>
      db.image.update({ where: { id }, data: { name: `${nth(['a', 'b', 'c'], value)}${id}` } }),
  },
];

/** What happens between two pages. Rows are named by a number, which is taken modulo how many there are. */
type Write =
  | { readonly kind: 'insert'; readonly value: number }
  | { readonly kind: 'delete'; readonly row: number }
  | { readonly kind: 'delete at the cursor' }
  | { readonly kind: 'move'; readonly row: number; readonly value: number };

const value = fc.nat(11);
const writes = (moving: boolean): fc.Arbitrary<Write[]> =>
  fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('insert' as const), value }),
      fc.record({ kind: fc.constant('delete' as const), row: fc.nat() }),
      fc.constant({ kind: 'delete at the cursor' as const }),
      ...(moving ? [fc.record({ kind: fc.constant('move' as const), row: fc.nat(), value })] : []),
    ),
    { maxLength: 4 },
  );

const scenario = (moving: boolean) =>
  fc.record({
    rows: fc.array(value, { minLength: 2, maxLength: 14 }),
    pageSize: fc.integer({ min: 1, max: 4 }),
    backwards: fc.boolean(),
    direction: fc.constantFrom('ASC' as const, 'DESC' as const),
    script: fc.array(writes(moving), { maxLength: 8 }),
  });
type Scenario = ReturnType<typeof scenario> extends fc.Arbitrary<infer S> ? S : never;

let runs = 0;

/** The rows of one run in the database, and which of them were there from the first page to the last. */
class Table {
  readonly tag = `run${++runs}`;
  readonly alive = new Set<string>();
  readonly stable = new Set<string>();
  readonly moved = new Set<string>();
  constructor(
    readonly db: Db,
    readonly subject: Subject,
  ) {}

  async insert(values: readonly number[]): Promise<string[]> {
    const rows = values.map((rowValue) => ({ id: newId(), value: rowValue }));
    await this.subject.insert(this.db, this.tag, rows);
    for (const { id } of rows) this.alive.add(id);
    return rows.map(({ id }) => id);
  }

  async remove(id: string): Promise<void> {
    if (!this.alive.delete(id)) return;
    this.stable.delete(id);
    await this.subject.remove(this.db, id);
  }

  async move(id: string, to: number): Promise<void> {
    this.stable.delete(id);
    this.moved.add(id);
    await this.subject.move(this.db, id, to);
  }

  async apply(write: Write, cursorRow: string): Promise<void> {
    if (write.kind === 'insert') await this.insert([write.value]);
    else if (write.kind === 'delete at the cursor') await this.remove(cursorRow);
    else {
      const row = [...this.alive][write.row % Math.max(1, this.alive.size)];
      if (row === undefined) return;
      if (write.kind === 'delete') await this.remove(row);
      else await this.move(row, write.value);
    }
  }
}

const uuids = (pages: readonly Page[]): string[] =>
  idsOf(pages).map((id) => decodeGlobalId(id)?.id ?? '');

/** Pages through the rows of one run while its script is written to the database between the pages. */
async function play(db: Db, client: Client, subject: Subject, plan: Scenario) {
  const list = rootListFields.find(({ type }) => type === subject.type);
  if (!list) return expect.fail(`there is no list of ${subject.type}`);
  const table = new Table(db, subject);
  for (const id of await table.insert(plan.rows)) table.stable.add(id);
  const disturbed = [false];
  const pages = await walkPages(client, list, {
    size: plan.pageSize,
    backwards: plan.backwards,
    orderBy: { field: subject.order, direction: plan.direction },
    filter: subject.filter(table.tag),
    async between(page, count) {
      const cursorRow = uuids([page]).at(plan.backwards ? 0 : -1) ?? '';
      const step = plan.script[count - 1] ?? [];
      for (const write of step) await table.apply(write, cursorRow);
      disturbed.push(step.some(({ kind }) => kind !== 'insert'));
    },
  });
  return { table, pages, disturbed };
}

describe.each(['memory', 'postgres'] as const)('on %s', (on) => {
  let world: TestApp;
  let client: Client;
  beforeAll(async () => {
    world = await createTestApp({ on });
    const { seed } = world;
    await seed.user('ADMIN', { username: 'zoe' });
    owner = {
      project: (await seed.project()).uuid,
      pool: (await seed.pool()).uuid,
      cluster: (await seed.cluster()).uuid,
    };
    client = await world.signIn('zoe');
  });
  afterAll(() => world.stop());

  describe.each(SUBJECTS)('paging through $type by $order', (subject) => {
    it('sees what stays exactly once while rows come and go', async () => {
      await fc.assert(
        fc.asyncProperty(scenario(false), async (plan) => {
          const { table, pages, disturbed } = await play(world.data.db, client, subject, plan);
          const seen = uuids(pages);
          expect(new Set(seen).size, 'no row twice').toBe(seen.length);
          expect(seen).toEqual(expect.arrayContaining([...table.stable]));
          pages.forEach(({ nodes }, i) => {
            if (nodes.length === 0) expect(disturbed[i], 'blank only after a deletion').toBe(true);
          });
        }),
        { numRuns: 6 },
      );
    });

    it('sees what stays in its place exactly once while others move', async () => {
      await fc.assert(
        fc.asyncProperty(scenario(true), async (plan) => {
          const { table, pages } = await play(world.data.db, client, subject, plan);
          const inPlace = uuids(pages).filter((id) => !table.moved.has(id));
          expect(new Set(inPlace).size, 'no row twice').toBe(inPlace.length);
          expect(inPlace).toEqual(expect.arrayContaining([...table.stable]));
        }),
        { numRuns: 6 },
      );
    });
  });

  it('many rows with one value are walked by their ids alone', async () => {
    for (const subject of SUBJECTS) {
      const list = rootListFields.find(({ type }) => type === subject.type);
      if (!list) return expect.fail(`there is no list of ${subject.type}`);
      const table = new Table(world.data.db, subject);
      const ids = (await table.insert(Array.from({ length: 60 }, () => 1))).sort();
      for (const backwards of [false, true]) {
        for (const direction of ['ASC', 'DESC'] as const) {
          const pages = await walkPages(client, list, {
            size: 7,
            backwards,
            orderBy: { field: subject.order, direction },
            filter: subject.filter(table.tag),
          });
          const walked = idsOf(pages, backwards).map((id) => decodeGlobalId(id)?.id);
          expect([...walked].sort()).toEqual(ids);
          if (subject.order !== 'NAME') {
            expect(walked).toEqual(direction === 'ASC' ? ids : [...ids].reverse());
          }
        }
      }
    }
  });
});
