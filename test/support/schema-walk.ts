/** What tests that are generated from the schema ask of it: its lists, single fields, relations, and selections of all that a type says. */
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isObjectType,
  isUnionType,
} from 'graphql';

export const api = buildSchema(
  readFileSync(new URL('../../src/schema.graphql', import.meta.url), 'utf8'),
);

export interface RootList {
  /** The field of Query. */
  readonly field: string;
  /** The type of its nodes. */
  readonly type: string;
  /** The values of its order's enumeration. */
  readonly orders: readonly string[];
  /** The declared filters, without `and`, `or` and `not`, each with the name of its input type. */
  readonly filters: Readonly<Record<string, string>>;
}

export interface Relation {
  readonly field: string;
  /** The type at its other end. */
  readonly type: string;
}

type Field = GraphQLField<unknown, unknown>;

const connection = /^(\w+)Connection$/;

function objectType(name: string): GraphQLObjectType {
  const type = api.getType(name);
  if (!isObjectType(type)) throw new Error(`${name} is no object type`);
  return type;
}

/** Whether objects of the type have an id of their own, and can be reached by `node(id)`. */
function isNode(type: GraphQLNamedType): boolean {
  if (isInterfaceType(type)) return type.name === 'Node';
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');
}

const fieldsOf = (name: string): Field[] => Object.values(objectType(name).getFields());
const typeOf = (field: Field): GraphQLNamedType => getNamedType(field.type);
const queryFields = (): Field[] => Object.values(api.getQueryType()?.getFields() ?? {});

/** The type of a connection's nodes, or null for other fields. */
const listed = (field: Field): string | null => connection.exec(typeOf(field).name)?.[1] ?? null;

export function filterTypeOf(type: string): GraphQLInputObjectType {
  const input = api.getType(`${type}Filter`);
  if (!isInputObjectType(input)) throw new Error(`${type} has no filter`);
  return input;
}

export function ordersOf(type: string): string[] {
  const order = api.getType(`${type}OrderField`);
  return isEnumType(order) ? order.getValues().map(({ name }) => name) : [];
}

function filtersOf(type: string): Record<string, string> {
  const fields = Object.values(filterTypeOf(type).getFields());
  const declared = fields.filter(({ name }) => !['and', 'or', 'not'].includes(name));
  return Object.fromEntries(declared.map((f) => [f.name, getNamedType(f.type).name]));
}

/** Every connection among the fields of Query. */
const connections: readonly RootList[] = queryFields().flatMap((field) => {
  const type = listed(field);
  return type
    ? [{ field: field.name, type, orders: ordersOf(type), filters: filtersOf(type) }]
    : [];
});
const isOfBin = ({ field }: RootList): boolean => field.startsWith('deleted');

/** The lists that have all objects of their type that there are. */
export const rootLists = connections.filter((list) => !isOfBin(list));
/** The lists of what is in the bin and nowhere else. */
export const binLists = connections.filter(isOfBin);

/** Every field of Query that gives one object by its id and nothing else, `node` among them (type "Node"). */
export const rootSingles: readonly Relation[] = queryFields()
  .filter((field) => isNode(typeOf(field)) && field.args.map(({ name }) => name).join() === 'id')
  .map((field) => ({ field: field.name, type: typeOf(field).name }));

/** Every type that `node(id)` can give. */
export const nodeTypes: readonly string[] = Object.values(api.getTypeMap())
  .filter((type) => isObjectType(type) && isNode(type))
  .map(({ name }) => name);

export const toOne = (type: string): Relation[] =>
  fieldsOf(type)
    .filter((field) => isNode(typeOf(field)) && !isListType(getNullableType(field.type)))
    .map((field) => ({ field: field.name, type: typeOf(field).name }));

const listsOf = (type: string, declared: boolean): Relation[] =>
  fieldsOf(type).flatMap((field) => {
    const of = listed(field);
    const isDeclared = field.args.some(({ name }) => name === 'filter');
    return of && isDeclared === declared ? [{ field: field.name, type: of }] : [];
  });

/** Lists that are made of relations, with filters and orders. */
export const toMany = (type: string): Relation[] => listsOf(type, true);

/** Lists in one order, made of rows that only tell of the object: its history. */
export const tellingOf = (type: string): Relation[] => listsOf(type, false);

/** Whether a field is an id, or a list of ids. */
export function isId(type: string, field: string): boolean {
  const found = objectType(type).getFields()[field];
  return found !== undefined && getNamedType(found.type).name === 'ID';
}

/**
 * A selection of everything that an object says of itself: scalars, and parts without an id of their own, all the way down.
 * @param except fields of the type itself that are left out
 */
export function leaves(name: string, except: readonly string[] = []): string {
  const selections = fieldsOf(name).flatMap((field) => {
    const type = typeOf(field);
    if (except.includes(field.name) || isNode(type) || listed(field)) return [];
    if (isLeafType(type)) return [field.name];
    return [`${field.name} { ${parts(type)} }`];
  });
  return selections.join(' ');
}

function parts(type: GraphQLNamedType): string {
  if (!isUnionType(type)) return leaves(type.name);
  const members = type.getTypes().map(({ name }) => `... on ${name} { ${leaves(name)} }`);
  return ['__typename', ...members].join(' ');
}

/** All that an object says of itself, and of everything that hangs on it. */
export function everythingOf(type: string): string {
  const one = toOne(type).map((r) => `${r.field} { ${leaves(r.type)} }`);
  const many = [...toMany(type), ...tellingOf(type)].map(
    (r) =>
      `${r.field}(first: 100) { totalCount nodes { ${leaves(r.type)} } edges { node { id } } }`,
  );
  return [leaves(type), ...one, ...many].join(' ');
}
