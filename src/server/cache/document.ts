/** What is known of a document by its text alone: whether its answer may be kept, and what makes it stale. Found once, then remembered. */
import { createHash } from 'node:crypto';
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { OperationFacts } from '../../core/context.js';
import { describeOperation } from '../plugins/use-operation-metrics.js';
import { declaredTouches, inputMarks, isUncacheable, typesBehind, withNeeds } from './touched.js';

export interface CacheableDocument {
  /** Of the text. */
  readonly hash: string;
  /** Sorted: a change to any object of one of these can change the answer. */
  readonly types: readonly string[];
  /** Variables that mention one of these input fields make the answer one that is not kept. */
  readonly unless: readonly string[];
  readonly operation: OperationFacts;
}

/** Clients have few documents; whoever sends many of them only makes us parse them again. */
const MAX_DOCUMENTS = 1_000;

/** Null: not to be kept, or no good document at all; the engine will say which. */
export type FindDocument = (text: string, operationName: string | null) => CacheableDocument | null;

export function documentFinder(schema: GraphQLSchema, maxTokens: number): FindDocument {
  const known = new LRUCache<string, { readonly document: CacheableDocument | null }>({
    max: MAX_DOCUMENTS,
  });
  return (text, operationName) => {
    const hash = createHash('sha256').update(text, 'utf16le').digest('base64url');
    const key = `${hash} ${operationName ?? ''}`;
    const hit = known.get(key);
    if (hit) return hit.document;
    const document = examine(schema, text, hash, operationName, maxTokens);
    known.set(key, { document });
    return document;
  };
}

function examine(
  schema: GraphQLSchema,
  text: string,
  hash: string,
  operationName: string | null,
  maxTokens: number,
): CacheableDocument | null {
  let document: DocumentNode;
  try {
    document = parse(text, { noLocation: true, maxTokens });
  } catch {
    return null;
  }
  const operation = getOperationAST(document, operationName);
  if (operation?.operation !== 'query') return null;
  const found = new Walk(schema, document).of(operation);
  if (!found || found.unless.some((name) => text.includes(name))) return null;
  return { hash, ...found, operation: describeOperation(document, operationName) };
}

/** Not validated yet: a document that says what the schema does not know is left to the engine. */
class Walk {
  readonly #types = new Set<string>();
  readonly #unless = new Set<string>();
  readonly #spread = new Set<string>();
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  #cacheable = true;

  constructor(
    private readonly schema: GraphQLSchema,
    document: DocumentNode,
  ) {
    this.#fragments = new Map(
      document.definitions.flatMap((d) =>
        d.kind === 'FragmentDefinition' ? [[d.name.value, d] as const] : [],
      ),
    );
  }

  of({
    selectionSet,
  }: OperationDefinitionNode): Pick<CacheableDocument, 'types' | 'unless'> | null {
    this.#visit(selectionSet, this.schema.getQueryType());
    // What touches no rows is answered as fast without.
    if (!this.#cacheable || this.#types.size === 0) return null;
    return { types: [...this.#types].sort(), unless: [...this.#unless] };
  }

  #visit({ selections }: SelectionSetNode, type: GraphQLNamedType | null | undefined): void {
    if (!type || !isCompositeType(type)) {
      this.#cacheable = false;
      return;
    }
    for (const selection of selections) {
      if (!this.#cacheable) return;
      if (selection.kind === 'Field') {
        const given = selection.arguments?.map((argument) => argument.name.value) ?? [];
        this.#visitField(type, selection.name.value, given, selection.selectionSet);
      } else if (selection.kind === 'InlineFragment') {
        const { typeCondition, selectionSet } = selection;
        this.#visit(
          selectionSet,
          typeCondition ? this.schema.getType(typeCondition.name.value) : type,
        );
      } else {
        this.#visitFragment(selection.name.value);
      }
    }
  }

  #visitFragment(name: string): void {
    if (this.#spread.has(name)) return;
    this.#spread.add(name);
    const fragment = this.#fragments.get(name);
    if (!fragment) this.#cacheable = false;
    else this.#visit(fragment.selectionSet, this.schema.getType(fragment.typeCondition.name.value));
  }

  #visitField(
    parent: GraphQLNamedType,
    name: string,
    given: readonly string[],
    below: SelectionSetNode | undefined,
  ): void {
    if (name === '__typename') return;
    const fields = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields() : {};
    const field = fields[name]; // introspection is none of them
    const type = field && getNamedType(field.type);
    if (!field || !type || isUncacheable(field) || isUncacheable(type)) {
      this.#cacheable = false;
      return;
    }
    const touched = [
      ...typesBehind(this.schema, type),
      ...declaredTouches(field).flatMap(withNeeds),
    ];
    for (const each of touched) this.#types.add(each);
    for (const argument of field.args.filter((a) => given.includes(a.name))) {
      const { touches, uncacheable } = inputMarks(argument);
      for (const each of touches) this.#types.add(each);
      for (const each of uncacheable) this.#unless.add(each);
    }
    if (below) this.#visit(below, type);
  }
}
