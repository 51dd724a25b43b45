/** Every leaf of every error that the schema has, as in `InUseError.usedBy.names`: what an error can tell, and so what it can tell too much of. */
import {
  type GraphQLObjectType,
  getNamedType,
  isInterfaceType,
  isLeafType,
  isObjectType,
} from 'graphql';
import { api } from './schema-walk.js';

function errorTypes(): readonly GraphQLObjectType[] {
  const base = api.getType('UserError');
  if (!isInterfaceType(base)) throw new Error('UserError is no interface');
  return api.getPossibleTypes(base);
}

function leafPaths(type: GraphQLObjectType, at: string): string[] {
  return Object.values(type.getFields()).flatMap((field) => {
    const of = getNamedType(field.type);
    const path = `${at}.${field.name}`;
    if (isLeafType(of)) return [path];
    if (!isObjectType(of)) throw new Error(`${path} is neither a leaf nor an object`);
    return leafPaths(of, path);
  });
}

/** `code`, `path` and `retryable` are of the class or of the caller's input, whatever is in the way. */
const OF_THE_CLASS = ['code', 'path', 'retryable'];

export const ERROR_LEAVES: readonly string[] = errorTypes()
  .flatMap((type) => leafPaths(type, type.name))
  .filter((leaf) => !OF_THE_CLASS.some((field) => leaf.split('.')[1] === field))
  .sort();

/** All that stands at the leaf in an error, with those of lists. */
export function textAt(error: Readonly<Record<string, unknown>>, leaf: string): string {
  const [type, ...path] = leaf.split('.');
  if (error.__typename !== type) return '';
  const step = (value: unknown, [head, ...rest]: readonly string[]): unknown => {
    if (Array.isArray(value))
      return value.map((one) => step(one, head === undefined ? [] : [head, ...rest]));
    if (head === undefined) return value;
    return step((value as Record<string, unknown> | null)?.[head], rest);
  };
  return JSON.stringify(step(error, path)) ?? '';
}
