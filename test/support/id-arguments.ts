/** Every place of the schema where a caller can name an object by its id, found in the arguments of its root fields. */
import {
  type GraphQLInputType,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import { api } from './schema-walk.js';

export type Root = 'Query' | 'Mutation' | 'Subscription';

export interface IdArgument {
  readonly root: Root;
  readonly field: string;
  /** From the argument to the id. */
  readonly path: readonly string[];
  /** As in `Mutation.createVolume(input.poolId)`. */
  readonly name: string;
}

/** Filters are walked with the lists that they are of: see tenancy.test.ts. */
const isFilter = (type: GraphQLInputType): boolean => getNamedType(type).name.endsWith('Filter');

function pathsTo(type: GraphQLInputType, path: readonly string[]): (readonly string[])[] {
  const named = getNamedType(type);
  if (named.name === 'ID') return [path];
  if (!isInputObjectType(named) || isFilter(type)) return [];
  return Object.values(named.getFields()).flatMap((f) => pathsTo(f.type, [...path, f.name]));
}

function rootFields(root: Root) {
  const types = {
    Query: api.getQueryType(),
    Mutation: api.getMutationType(),
    Subscription: api.getSubscriptionType(),
  };
  return types[root]?.getFields() ?? {};
}

export const idArguments: readonly IdArgument[] = (
  ['Query', 'Mutation', 'Subscription'] as const
).flatMap((root) =>
  Object.values(rootFields(root)).flatMap(({ name: field, args }) =>
    args
      .flatMap((argument) => pathsTo(argument.type, [argument.name]))
      .map((path) => ({ root, field, path, name: `${root}.${field}(${path.join('.')})` })),
  ),
);

/** The value that GraphQL asks for at least, where a sample says nothing. */
function least(type: GraphQLInputType): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return [];
  if (isEnumType(bare)) return bare.getValues()[0]?.name;
  if (isInputObjectType(bare)) {
    const required = Object.values(bare.getFields()).filter((f) => isNonNullType(f.type));
    return Object.fromEntries(required.map((f) => [f.name, least(f.type)]));
  }
  return bare.toString() === 'Int' ? 1 : 'sample';
}

/** The id at the path in these arguments, if there is one. */
export function idAt(given: unknown, path: readonly string[]): string | null {
  const [head, ...rest] = path;
  const value = Array.isArray(given) ? given[0] : given;
  if (head === undefined) return typeof value === 'string' ? value : null;
  return idAt((value as Record<string, unknown> | undefined)?.[head], rest);
}

/** The same arguments with this id at the path; what is missing on the way is made. */
export function withId(
  given: unknown,
  { root, field, path }: IdArgument,
  id: string,
): Record<string, unknown> {
  const argument = rootFields(root)[field]?.args.find(({ name }) => name === path[0]);
  if (!argument) throw new Error(`${field} has no argument ${path[0]}`);
  const before = given as Record<string, unknown>;
  return {
    ...before,
    [argument.name]: put(argument.type, before[argument.name], path.slice(1), id),
  };
}

function put(type: GraphQLInputType, given: unknown, path: readonly string[], id: string): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) {
    const first = Array.isArray(given) ? given[0] : undefined;
    return [put(bare.ofType, first, path, id)];
  }
  const [head, ...rest] = path;
  if (head === undefined) return id;
  if (!isInputObjectType(bare)) throw new Error(`${bare} has no fields`);
  const field = bare.getFields()[head];
  if (!field) throw new Error(`${bare} has no field ${head}`);
  // One of several: what the sample chose would be one too many.
  const kept = bare.isOneOf ? {} : ((given ?? least(bare)) as Record<string, unknown>);
  return { ...kept, [head]: put(field.type, kept[head], rest, id) };
}
