/**
 * The size of a document as it would be executed: each fragment counts wherever it is spread.
 * Every fragment is measured once, so that measuring costs no more than reading, however often fragments are spread.
 */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionSetNode,
} from 'graphql';

export interface DocumentSize {
  /** Levels of fields below one another; fragments are no level of their own. Introspection counts as one. */
  readonly depth: number;
  readonly fields: number;
  /** Fields that are asked for under another name: one way to do the same work many times in one request. */
  readonly aliases: number;
  readonly directives: number;
}

const NOTHING: DocumentSize = { depth: 0, fields: 0, aliases: 0, directives: 0 };

/** The size of the document's largest operation, figure by figure; Infinity when fragments multiply beyond all numbers. */
export function measureDocument(document: DocumentNode): DocumentSize {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      fragments.set(definition.name.value, definition);
  }
  const known = new Map<string, DocumentSize>();

  function fragmentSize(name: string): DocumentSize {
    const measured = known.get(name);
    if (measured) return measured;
    known.set(name, NOTHING); // a fragment within itself: validation refuses it
    const fragment = fragments.get(name);
    const size = fragment ? measure(fragment.selectionSet) : NOTHING;
    known.set(name, size);
    return size;
  }

  function measure(set: SelectionSetNode): DocumentSize {
    let { depth, fields, aliases, directives } = NOTHING;
    for (const selection of set.selections) {
      directives += selection.directives?.length ?? 0;
      let inner = NOTHING;
      if (selection.kind === Kind.FRAGMENT_SPREAD) inner = fragmentSize(selection.name.value);
      else if (selection.selectionSet) inner = measure(selection.selectionSet);
      if (selection.kind === Kind.FIELD) {
        fields += 1;
        aliases += selection.alias ? 1 : 0;
        const introspects = selection.name.value.startsWith('__');
        depth = Math.max(depth, 1 + (introspects ? 0 : inner.depth));
      } else depth = Math.max(depth, inner.depth);
      fields += inner.fields;
      aliases += inner.aliases;
      directives += inner.directives;
    }
    return { depth, fields, aliases, directives };
  }

  let largest = NOTHING;
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const size = measure(definition.selectionSet);
    largest = {
      depth: Math.max(largest.depth, size.depth),
      fields: Math.max(largest.fields, size.fields),
      aliases: Math.max(largest.aliases, size.aliases),
      directives: Math.max(
        largest.directives,
        size.directives + (definition.directives?.length ?? 0),
      ),
    };
  }
  return largest;
}
