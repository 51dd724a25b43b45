/** What the data model says of the columns that lists are ordered and filtered by, and what they can hold. */
import type { Entity } from '../core/entity.js';
import * as enums from '../gen/client/enums.js';
import { getDatamodel } from '../gen/pothos-types.js';

export interface Column {
  /** A scalar's name (DateTime, BigInt, String ...), or an enumeration's. */
  readonly type: string;
  readonly nullable: boolean;
  /** The values of an enumeration in the order in which the database sorts them; null for other columns. */
  readonly values: readonly string[] | null;
  /** The to-one relation that this column is the foreign key of. */
  readonly relation: string | null;
}

const { models } = getDatamodel().datamodel;
const enumValues = new Map(
  Object.entries(enums).map(([name, values]) => [name, Object.keys(values)] as const),
);

/** Throws when the entity's table has no such column: a slip of the pen in a declaration. */
export function columnOf({ model }: Entity, name: string): Column {
  const fields = models[model.charAt(0).toUpperCase() + model.slice(1)]?.fields ?? [];
  const field = fields.find((f) => f.name === name);
  if (!field) throw new Error(`${model} has no column ${name}`);
  return {
    type: field.type,
    nullable: !field.isRequired,
    values: enumValues.get(field.type) ?? null,
    relation: fields.find((f) => f.relationFromFields?.includes(name))?.name ?? null,
  };
}

/** The model that a relation leads to; null where it is none. */
export function relatedModel(model: Entity['model'], name: string): Entity['model'] | null {
  const fields = models[model.charAt(0).toUpperCase() + model.slice(1)]?.fields ?? [];
  const type = fields.find((f) => f.name === name && f.kind === 'object')?.type;
  return type ? ((type.charAt(0).toLowerCase() + type.slice(1)) as Entity['model']) : null;
}

export const MAX_BIGINT = 2n ** 63n - 1n;

const EARLIEST = Date.parse('0001-01-01T00:00:00Z');
const LATEST = Date.parse('9999-12-31T23:59:59.999Z');

/** Whether a moment (milliseconds since 1970) has a year of four digits: the database knows no year 0, and nobody means the others. */
export function isStorableTime(time: number): boolean {
  return Number.isInteger(time) && time >= EARLIEST && time <= LATEST;
}
