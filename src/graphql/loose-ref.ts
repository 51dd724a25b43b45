/**
 * References that the database does not enforce: a type and a UUID (history and reports, whose row may be of any type, and gone),
 * or a column with a list of UUIDs. Their public id, and their filters.
 */
import { findEntity } from '../core/entity.js';
import { BadRequestError } from '../errors.js';
import { decodeGlobalId, encodeGlobalId, isUuid } from '../ids.js';
import { capped, type Filter, NONE, ref } from './filters.js';
import { uuidOf } from './node.js';

type Where = Record<string, unknown>;
type IdConditions = { eq?: string | null; in?: string[] | null; isNull?: boolean | null };

/** The public id of a row, or null when the API has no such type (any more) or the id is none. */
export function looseId(
  type: string | null | undefined,
  id: string | null | undefined,
): string | null {
  return type && id && isUuid(id) && findEntity(type) ? encodeGlobalId(type, id) : null;
}

/**
 * A filter by public ids of any type.
 * @param stored what the type column holds for an API type; undefined: rows never refer to that type, so none matches.
 */
export function looseRef(
  typeColumn: string,
  idColumn: string,
  stored: (type: string) => string | undefined = (type) => type,
): Filter {
  const refersTo = (globalId: string, path: readonly string[]): Where => {
    const decoded = decodeGlobalId(globalId);
    if (!decoded) {
      throw new BadRequestError(`"${globalId.slice(0, 64)}" is not an id of this API.`, path);
    }
    const type = stored(decoded.type);
    if (type === undefined) return NONE;
    return { [typeColumn]: type, [idColumn]: decoded.id };
  };
  return idFilter(idColumn, {
    among: (ids, path) => (ids.length === 0 ? NONE : { OR: ids.map((id) => refersTo(id, path)) }),
    absent: { [idColumn]: null },
  });
}

/** A filter on a column that lists the UUIDs of rows of one type: it holds one of these; `isNull`: the list is empty. */
export function refList(column: string, type: string): Filter {
  return idFilter(column, {
    among: (ids, path) => ({ [column]: { hasSome: ids.map((id) => uuidOf(type, id, path)) } }),
    absent: { [column]: { isEmpty: true } },
  });
}

interface Conditions {
  readonly among: (ids: readonly string[], path: readonly string[]) => Where;
  readonly absent: Where;
}

function idFilter(column: string, { among, absent }: Conditions): Filter {
  return {
    column,
    type: ref(column, '').type,
    where(_column, value: IdConditions, path, about) {
      const conditions: Where[] = [];
      if (about?.column.nullable && (value.eq != null || value.in != null))
        conditions.push({ [column]: { not: null } });
      if (value.eq != null) conditions.push(among([value.eq], path));
      if (value.in != null) conditions.push(among(capped(value.in, path), path));
      if (value.isNull != null) conditions.push(value.isNull ? absent : { NOT: absent });
      return { AND: conditions };
    },
  };
}
