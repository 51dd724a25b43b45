/**
 * How many objects an operation may return at most, with the page sizes that it asks for: lists below lists multiply.
 * Known only when it is executed, because page sizes come in variables; a validated document is assumed.
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

/** 0 when the operation or its variables are not right: executing it will say so. */
export function countObjects(operation: Operation, sizes: PageSizes): number {
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

  function objectsIn(set: SelectionSetNode, type: GraphQLCompositeType): number {
    const counted = known.get(set);
    if (counted !== undefined) return counted;
    known.set(set, 0);
    let objects = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) objects += objectsOf(selection, type);
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const on = selection.typeCondition && schema.getType(selection.typeCondition.name.value);
        objects += objectsIn(selection.selectionSet, isCompositeType(on) ? on : type);
      } else {
        const fragment = fragments.get(selection.name.value);
        const on = fragment && schema.getType(fragment.typeCondition.name.value);
        if (fragment && isCompositeType(on)) objects += objectsIn(fragment.selectionSet, on);
      }
    }
    known.set(set, objects);
    return objects;
  }

  function objectsOf(node: FieldNode, parent: GraphQLCompositeType): number {
    const field =
      isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : null;
    const type = field && getNamedType(field.type);
    if (!field || !node.selectionSet || !isCompositeType(type)) return 0;
    const inner = objectsIn(node.selectionSet, type);
    // A bulk mutation answers for each of its objects with the same selection.
    if (/^Bulk.*Result$/.test(type.name)) return inner * bulkSize(field, node, coerced as Values);
    // The parts of a connection are no objects of their own: its page is counted as a whole.
    if (/(Connection|Edge)$/.test(parent.name)) return field.name === 'pageInfo' ? 0 : 1 + inner;
    // So is a page of the change feed, which is no connection.
    return /(Connection|^ChangesResult)$/.test(type.name)
      ? inner * pageSize(field, node, coerced as Values)
      : 1 + inner;
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

  return objectsIn(definition.selectionSet, root);
}
