/**
 * What an operation costs, in points: about one for each object that it may return at most, with the page sizes that it asks for, so
 * that lists below lists multiply. Known only when it is executed, because page sizes come in variables; a validated document is assumed.
 * Never what it turned out to be: the bill is known before anything runs, and the same for everybody who asks the same.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';

import { MAX_BULK } from '../core/bulk.js';

export interface PageSizes {
  readonly defaultPageSize: number;
  readonly maxPageSize: number;
}

export interface Operation {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variableValues?: Readonly<Record<string, unknown>> | null | undefined;
}

type Values = Readonly<Record<string, unknown>>;

export const COST = {
  /** An object that is returned. A page counts as full. */
  object: 1,
  /** A list, whatever is on its page: a statement of its own, or a part of one. */
  list: 1,
  /** `totalCount`: every row that fits is looked at, however small the page. */
  totalCount: 10,
  /** A mutation; of a bulk mutation, each of its objects. */
  write: 10,
  /** `__schema` or `__type`: nothing is read, and the answer is long. */
  introspection: 500,
} as const;

/** Points. 0 when the operation or its variables are not right: executing it will say so. */
export function costOf(operation: Operation, sizes: PageSizes): number {
  const { schema, document, operationName, variableValues } = operation;
  const definition = getOperationAST(document, operationName);
  const root = definition && schema.getRootType(definition.operation);
  if (!definition || !root) return 0;
  const { coerced } = getVariableValues(
    schema,
    definition.variableDefinitions ?? [],
    variableValues ?? {},
    { maxErrors: 1 },
  );
  if (!coerced) return 0;
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const part of document.definitions) {
    if (part.kind === Kind.FRAGMENT_DEFINITION) fragments.set(part.name.value, part);
  }
  // A selection set means the same wherever it is reached, so each is counted once.
  const known = new Map<SelectionSetNode, number>();

  function pointsIn(set: SelectionSetNode, type: GraphQLCompositeType): number {
    const counted = known.get(set);
    if (counted !== undefined) return counted;
    known.set(set, 0);
    let points = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) points += pointsOf(selection, type);
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const on = selection.typeCondition && schema.getType(selection.typeCondition.name.value);
        points += pointsIn(selection.selectionSet, isCompositeType(on) ? on : type);
      } else {
        const fragment = fragments.get(selection.name.value);
        const on = fragment && schema.getType(fragment.typeCondition.name.value);
        if (fragment && isCompositeType(on)) points += pointsIn(fragment.selectionSet, on);
      }
    }
    known.set(set, points);
    return points;
  }

  function pointsOf(node: FieldNode, parent: GraphQLCompositeType): number {
    if (/^__(schema|type)$/.test(node.name.value)) return COST.introspection;
    const field =
      isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : null;
    const type = field && getNamedType(field.type);
    if (!field || !node.selectionSet || !isCompositeType(type)) return 0;
    const inner = pointsIn(node.selectionSet, type);
    const write = parent === schema.getMutationType() ? COST.write : 0;
    // A bulk mutation answers for each of its objects with the same selection.
    if (/^Bulk.*Result$/.test(type.name))
      return (write + inner) * bulkSize(field, node, coerced as Values);
    // The parts of a connection are no objects of their own: its page is counted as a whole.
    if (/(Connection|Edge)$/.test(parent.name))
      return field.name === 'pageInfo' ? 0 : COST.object + inner;
    // So is a page of the change feed, which is no connection.
    if (!/(Connection|^ChangesResult)$/.test(type.name)) return write + COST.object + inner;
    const page = inner * pageSize(field, node, coerced as Values);
    return COST.list + page + (countsAll(node.selectionSet) ? COST.totalCount : 0);
  }

  const counting = new Map<SelectionSetNode, boolean>();
  function countsAll(set: SelectionSetNode): boolean {
    const found = counting.get(set);
    if (found !== undefined) return found;
    counting.set(set, false);
    const counts = set.selections.some((selection) => {
      if (selection.kind === Kind.FIELD) return selection.name.value === 'totalCount';
      if (selection.kind === Kind.INLINE_FRAGMENT) return countsAll(selection.selectionSet);
      const fragment = fragments.get(selection.name.value);
      return fragment !== undefined && countsAll(fragment.selectionSet);
    });
    counting.set(set, counts);
    return counts;
  }

  function pageSize(field: GraphQLField<unknown, unknown>, node: FieldNode, variables: Values) {
    try {
      const { first, last } = getArgumentValues(field, node, variables);
      const asked = Number(first ?? last ?? sizes.defaultPageSize);
      return Math.min(Math.max(asked, 1), sizes.maxPageSize);
    } catch {
      return 1; // an argument is not right: the field will say so, and return nothing
    }
  }

  function bulkSize(field: GraphQLField<unknown, unknown>, node: FieldNode, variables: Values) {
    try {
      const { input } = getArgumentValues(field, node, variables);
      const { ids } = input as { ids?: readonly unknown[] | null };
      return Math.min(ids?.length ?? MAX_BULK, MAX_BULK);
    } catch {
      return 1; // as above
    }
  }

  return pointsIn(definition.selectionSet, root);
}
