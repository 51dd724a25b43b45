/** Goes through an operation and collects what its answer can depend on. */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { declaredTouches, inputMarks, isUncacheable, typesBehind, withNeeds } from './touched.js';

export interface Dependencies {
  /** Sorted: a change to any object of one of these can change the answer. */
  readonly types: readonly string[];
  /** Variables that mention one of these input fields make the answer one that is not kept. */
  readonly unless: readonly string[];
}

/** Not validated yet: a document that says what the schema does not know is left to the engine. */
export class Walk {
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

  /** Null: not to be kept. */
  of({ selectionSet }: OperationDefinitionNode): Dependencies | null {
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
