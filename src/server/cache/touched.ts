/** Which types' rows an answer can depend on, as the schema says: for every way in which a document can mention one of its types. */
import {
  type GraphQLArgument,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isInputObjectType,
  isObjectType,
} from 'graphql';
import { allEntities, type Entity, findEntity } from '../../core/entity.js';
import { TYPES_WITH_TABLES } from '../../core/tables.js';
import { relatedModel } from '../../graphql/column.js';

/** What fields and types of the schema say of themselves in their `extensions`. */
interface Marked {
  readonly extensions: Readonly<{ uncacheable?: unknown; touches?: unknown }>;
}

/** Never to be kept: it changes with the clock, or with something that is not a row. */
export const isUncacheable = ({ extensions }: Marked): boolean => extensions.uncacheable === true;

/** Types that a field reads beside those that it gives. */
export function declaredTouches({ extensions: { touches } }: Marked): readonly string[] {
  return Array.isArray(touches) ? touches : typeof touches === 'string' ? [touches] : [];
}

/** The types of rows behind a type of the API: its own, those that decide who sees it, and for a connection those of its objects. */
export function typesBehind(schema: GraphQLSchema, type: GraphQLNamedType): readonly string[] {
  if (isAbstractType(type))
    return schema.getPossibleTypes(type).flatMap((each) => typesBehind(schema, each));
  if (!isObjectType(type)) return [];
  const { nodes, node } = type.getFields();
  const listed = /(Connection|Edge)$/.test(type.name) ? (nodes ?? node) : undefined;
  if (listed) return typesBehind(schema, getNamedType(listed.type));
  if (!TYPES_WITH_TABLES.has(type.name)) return [];
  return withNeeds(type.name);
}

/** A type, and those whose rows decide who sees its objects. */
export function withNeeds(type: string): readonly string[] {
  const entity = findEntity(type);
  return entity ? [type, ...needed(entity.model, entity.visibility.needs)] : [type];
}

/** `needs`: a Prisma selection. */
function needed(model: Entity['model'], needs: object): string[] {
  return Object.entries(needs).flatMap(([name, below]) => {
    const related = relatedModel(model, name);
    if (!related) return [];
    const inner = (below as { select?: object } | undefined)?.select ?? {};
    const own = allEntities().find((entity) => entity.model === related);
    return [...(own ? [own.type] : []), ...needed(related, inner)];
  });
}

/** What the fields of an argument's input say: types that they touch, and the names of those that are not to be kept. */
export function inputMarks({ type }: GraphQLArgument): {
  touches: string[];
  uncacheable: string[];
} {
  const touches: string[] = [];
  const uncacheable: string[] = [];
  const seen = new Set<GraphQLNamedType>();
  const visit = (input: GraphQLNamedType): void => {
    if (!isInputObjectType(input) || seen.has(input)) return;
    seen.add(input);
    for (const field of Object.values(input.getFields())) {
      touches.push(...declaredTouches(field).flatMap(withNeeds));
      if (isUncacheable(field)) uncacheable.push(field.name);
      visit(getNamedType(field.type));
    }
  };
  visit(getNamedType(type));
  return { touches, uncacheable };
}
