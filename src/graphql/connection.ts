/** Relay connections from declared lists: at the root, and as relations of other objects. One SQL statement for a page, one more for `totalCount`, and one for whether there is more behind its cursor. */
import type { ObjectRef } from '@pothos/core';
import { queryFromInfo } from '@pothos/plugin-prisma';
import type { PageInfoShape } from '@pothos/plugin-relay';
import DataLoader from 'dataloader';
import type { GraphQLResolveInfo } from 'graphql';
import { fewAtOnce } from '../core/at-once.js';
import { delegateOf, type Entity, entityCalled } from '../core/entity.js';
import { stableStringify } from '../core/json.js';
import { UnauthenticatedError, withArticle } from '../errors.js';
import { builder, type GraphQLContext } from './builder.js';
import { type FilterValue, filterInput, filterWhere } from './filter-input.js';
import { makePage, type PageArgs, type PagePlan, type Probe, planPage } from './keyset.js';
import type { List } from './list.js';

type Row = Record<string, unknown>;
type Where = Record<string, unknown>;
type Args = PageArgs & { filter?: FilterValue | null };

interface ConnectionShape {
  readonly edges: unknown;
  readonly pageInfo: unknown;
  readonly totalCount: unknown;
}

/** The two places under a connection where rows are selected. */
const NODE_PATHS = [[{ name: 'nodes' }], [{ name: 'edges' }, { name: 'node' }]];

const Direction = builder.enumType('OrderDirection', {
  description: 'Which way a list is ordered.',
  values: {
    ASC: { description: 'Small, early or A first.' },
    DESC: { description: 'Large, late or Z first.' },
  },
});

// biome-ignore lint/suspicious/noExplicitAny: Pothos refs of a connection's types, made from data
type Refs = { connection: ObjectRef<any, any>; edge: ObjectRef<any, any>; args: (t: any) => any };
const made = new Map<string, Refs>();

/** The connection, edge, filter and order types of a list: made once, shared by every field. */
function connectionTypes(list: List): Refs {
  const { type } = list.entity;
  const known = made.get(type);
  if (known) return known;
  const edge = builder.edgeObject({
    name: `${type}Edge`,
    description: `${withArticle(type).replace('a', 'A')} and its place in a list.`,
    type: type as never,
  });
  const connection = builder.connectionObject(
    {
      name: `${type}Connection`,
      description: `A page of a list of ${type}.`,
      type: type as never,
      fields: (t) => ({
        totalCount: t.int({
          description: 'How many there are in all pages, counted when asked for.',
          resolve: (page) =>
            (page as unknown as { totalCount: Promise<number> | number }).totalCount,
        }),
      }),
    },
    edge as never,
  );
  const OrderField = builder.enumType(`${type}OrderField`, {
    description: `What a list of ${type} can be ordered by; equal ones are ordered by id.`,
    values: Object.fromEntries(
      Object.entries(list.order).map(([name, column]) => [
        name,
        { description: `By \`${column}\`.` },
      ]),
    ),
  });
  const Order = builder.inputType(`${type}Order`, {
    description: `The order of a list of ${type}.`,
    fields: (t) => ({
      field: t.field({ type: OrderField, required: true, description: 'What to order by.' }),
      direction: t.field({ type: Direction, defaultValue: 'ASC', description: 'Which way.' }),
    }),
  });
  const filter = filterInput(list);
  const refs: Refs = {
    connection: connection as Refs['connection'],
    edge: edge as Refs['edge'],
    args: (t) => ({
      filter: t.arg({ type: filter, description: 'Which ones.' }),
      orderBy: t.arg({ type: Order, description: 'In which order.' }),
    }),
  };
  made.set(type, refs);
  return refs;
}

function planFor(
  list: List,
  args: Args,
  context: GraphQLContext,
): { plan: PagePlan; scope: Where } {
  const { viewer } = context;
  if (!viewer) throw new UnauthenticatedError();
  const scope = {
    AND: [list.entity.visibility.where(viewer), filterWhere(list, args.filter, viewer)],
  };
  return { plan: planPage(list, args, context.services.config.limits), scope };
}

/** A root list: `virtualMachines(first, after, last, before, filter, orderBy)`. */
export function rootList(name: string, list: List, description: string): void {
  const refs = connectionTypes(list);
  builder.queryField(name, (t) =>
    t.connection(
      {
        type: list.entity.type as never,
        description,
        args: refs.args(t),
        resolve: (_root, args, context, info) =>
          readPage(list, args as Args, context, info) as never,
      },
      refs.connection as never,
      refs.edge as never,
    ),
  );
}

/**
 * A list that hangs on another object without a relation in the database: `scope` says which rows are the parent's. Always in the list's own order.
 * Unlike `relationList` it takes statements of its own for each parent; those of one answer take turns, so that a page of parents leaves room for others.
 */
export function looseList(
  // biome-ignore lint/suspicious/noExplicitAny: see relationList
  t: any,
  list: List,
  scope: (parent: Row) => Where,
  description: string,
  // biome-ignore lint/suspicious/noExplicitAny: see relationList
): any {
  const refs = connectionTypes(list);
  return t.connection(
    {
      type: list.entity.type,
      description,
      resolve: (parent: Row, args: PageArgs, context: GraphQLContext, info: GraphQLResolveInfo) =>
        readPage(list, args, context, info, scope(parent)),
    },
    refs.connection,
    refs.edge,
  );
}

function readPage(
  list: List,
  args: Args,
  context: GraphQLContext,
  info: GraphQLResolveInfo,
  within?: Where,
): ConnectionShape {
  const { plan, scope: seen } = planFor(list, args, context);
  const scope = within ? { AND: [within, seen] } : seen;
  const query = queryFromInfo({
    context,
    info,
    typeName: list.entity.type,
    paths: NODE_PATHS,
    select: { id: true, [plan.column]: true },
  });
  const delegate = delegateOf(context.prisma, list.entity.model);
  const read = within ? turnsOf(context) : (work: () => Promise<unknown>) => work();
  const rows = once(
    () =>
      read(() =>
        delegate.findMany({
          ...query,
          where: { AND: [scope, plan.where] },
          orderBy: plan.orderBy,
          take: plan.take,
        }),
      ) as Promise<Row[]>,
  );
  const isBehind: Probe = async (behind) =>
    (await read(() =>
      delegate.findFirst({ where: { AND: [scope, behind] }, select: { id: true } }),
    )) !== null;
  const page = once(async () => makePage(plan, await rows(), isBehind));
  // Getters: what is not selected is not read.
  return {
    get edges() {
      return page().then((p) => p.edges);
    },
    get pageInfo(): Promise<PageInfoShape> {
      return page().then((p) => p.pageInfo);
    },
    get totalCount() {
      return read(() => delegate.count({ where: scope }));
    },
  };
}

type Work = () => Promise<unknown>;
const turns = new WeakMap<GraphQLContext, DataLoader<Work, unknown>>();

/** Does what one answer asks for at the same moment a few at a time. */
function turnsOf(context: GraphQLContext): (work: Work) => Promise<unknown> {
  const known =
    turns.get(context) ??
    new DataLoader<Work, unknown>(
      async (all) => {
        const done = new Array<unknown>(all.length);
        await fewAtOnce(all.length, async (index) => {
          done[index] = await (all[index] as Work)();
        });
        return done;
      },
      { cache: false },
    );
  turns.set(context, known);
  return (work) => known.load(work);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * A list that hangs on another object, loaded in that object's own statement.
 * `t` is the field builder of the parent's prismaNode; `relation` the Prisma relation of that name.
 * @param through where the relation leads to rows of a join table: their relation to the objects of the list
 */
export function relationList(
  // biome-ignore lint/suspicious/noExplicitAny: one helper for every parent type; the relation's name is checked by Prisma when the query runs, and by the schema-wide walk in the tests
  t: any,
  relation: string,
  list: List,
  description: string,
  through?: string,
  // biome-ignore lint/suspicious/noExplicitAny: see above
): any {
  const refs = connectionTypes(list);
  const joined = <T>(part: T) => (through ? { [through]: part } : part);
  const counted = (scope: Where) => ({
    _count: { select: { [relation]: { where: joined(scope) } } },
  });
  const select = (
    args: Args,
    context: GraphQLContext,
    nested: NestedQuery,
    selection: () => Set<string>,
  ) => {
    const { plan, scope } = planFor(list, args, context);
    const fields = selection();
    const rows = nested(
      {
        where: joined({ AND: [scope, plan.where] }),
        orderBy: plan.orderBy.map(joined),
        take: plan.take,
      },
      { getType: () => list.entity.type, paths: NODE_PATHS },
    );
    const columns = { id: true, [plan.column]: true, ...rows.select };
    const wantsRows = [...fields].some((field) => field !== 'totalCount' && field !== '__typename');
    return {
      select: {
        ...(fields.has('totalCount') ? counted(scope) : {}),
        ...(wantsRows
          ? { [relation]: { ...rows, select: through ? joined({ select: columns }) : columns } }
          : {}),
      },
    };
  };
  return t.connection(
    {
      type: list.entity.type,
      description,
      args: refs.args(t),
      extensions: { pothosPrismaSelect: select },
      resolve: (
        parent: Row,
        args: Args,
        context: GraphQLContext,
        { parentType }: GraphQLResolveInfo,
      ): ConnectionShape => {
        const { plan, scope } = planFor(list, args, context);
        const isBehind: Probe = (behind) =>
          parentsWith(context, parentType.name, {
            [relation]: { some: joined({ AND: [scope, behind] }) },
          }).load(String(parent.id));
        const rows = (parent[relation] as Row[] | undefined) ?? [];
        const page = makePage(
          plan,
          through ? rows.map((row) => row[through] as Row) : rows,
          isBehind,
        );
        return {
          ...page,
          totalCount: (parent._count as Record<string, number> | undefined)?.[relation] ?? 0,
        };
      },
    },
    refs.connection,
    refs.edge,
  );
}

type ParentLoader = DataLoader<string, boolean>;
const parentLoaders = new WeakMap<GraphQLContext, Map<string, ParentLoader>>();

/** Which parents meet a condition on their lists: one statement for all parents of a page. */
function parentsWith(context: GraphQLContext, type: string, condition: Where): ParentLoader {
  const loaders = parentLoaders.get(context) ?? new Map<string, ParentLoader>();
  parentLoaders.set(context, loaders);
  const key = `${type} ${stableStringify(condition)}`;
  const known = loaders.get(key);
  if (known) return known;
  const entity = entityCalled(type);
  const loader: ParentLoader = new DataLoader(async (ids) => {
    const found = await delegateOf(context.prisma, entity.model).findMany({
      where: { AND: [{ id: { in: [...ids] } }, condition] },
      select: { id: true },
    });
    const meeting = new Set(found.map(({ id }) => id));
    return ids.map((id) => meeting.has(id));
  });
  loaders.set(key, loader);
  return loader;
}

type NestedQuery = (query: object, include?: object) => { select?: object } & object;

/** A to-one relation, null when the viewer may not see what is at its end. */
// biome-ignore lint/suspicious/noExplicitAny: see relationList
export function relationOne(t: any, relation: string, entity: Entity, description: string): any {
  return t.field({
    type: entity.type,
    nullable: true,
    description,
    extensions: {
      pothosPrismaSelect: (_args: object, _context: object, nested: NestedQuery) => {
        const needs = { id: true, ...entity.visibility.needs };
        return { select: { [relation]: nested({ select: needs }) } };
      },
    },
    resolve: (parent: Row, _args: object, context: GraphQLContext) => {
      const row = parent[relation] as Row | null | undefined;
      return row && context.viewer && entity.visibility.sees(context.viewer, row) ? row : null;
    },
  });
}
