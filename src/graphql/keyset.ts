/**
 * Keyset paging: a cursor is a place in an order (a sort value and an id), not a row.
 * It stays valid when its row is changed or deleted, and a page costs the same however deep it lies;
 * in the order of an enumeration, which Prisma cannot compare, the index is read from its beginning.
 */
import type { PageInfoShape } from '@pothos/plugin-relay';
import { findUncleanText } from '../core/text.js';
import { BadRequestError } from '../errors.js';
import { isUuid } from '../ids.js';
import { columnOf, isStorableTime, MAX_BIGINT } from './column.js';
import type { List } from './list.js';

type Row = Record<string, unknown>;
type Where = Record<string, unknown>;
type Direction = 'ASC' | 'DESC';

export interface PageArgs {
  first?: number | null | undefined;
  last?: number | null | undefined;
  after?: string | null | undefined;
  before?: string | null | undefined;
  orderBy?: { field: string; direction?: Direction | null } | null | undefined;
}

export interface PageLimits {
  readonly maxPageSize: number;
  readonly defaultPageSize: number;
}

/** What to ask the database for: one row more than the page, to know whether there is more. */
export interface PagePlan {
  readonly size: number;
  readonly column: string;
  readonly where: Where;
  readonly orderBy: readonly Where[];
  readonly take: number;
  readonly backwards: boolean;
  readonly list: List;
  readonly field: string;
  readonly direction: Direction;
  /** What lies behind the page's beginning, its cursor's own place included; null: it begins where the list does. */
  readonly behind: Where | null;
}

/** Whether there are rows behind the page: asked only when the answer is selected. */
export type Probe = (behind: Where) => Promise<boolean>;

export function planPage(list: List, args: PageArgs, limits: PageLimits): PagePlan {
  const field = args.orderBy?.field ?? Object.keys(list.order)[0] ?? '';
  const direction = args.orderBy?.direction ?? (args.orderBy ? 'ASC' : list.defaultDirection);
  const column = list.order[field];
  if (!column)
    throw new BadRequestError(`${list.entity.type} cannot be ordered by ${field}.`, ['orderBy']);
  if (args.first != null && args.last != null) {
    throw new BadRequestError('Give either "first" or "last", not both.', ['first']);
  }
  const backwards = args.last != null;
  const size = pageSize(args.first ?? args.last, backwards ? 'last' : 'first', limits);
  let behind: Where | null = null;
  const bounds = (['after', 'before'] as const).flatMap((name) => {
    const cursor = args[name];
    if (cursor == null) return [];
    const place = decodeCursor(list, column, field, direction, cursor, name);
    const upwards = (name === 'after') === (direction === 'ASC');
    if (backwards === (name === 'before')) behind = beyond(list, column, place, !upwards, true);
    return [beyond(list, column, place, upwards)];
  });
  const sql = (direction === 'ASC') !== backwards ? 'asc' : 'desc';
  return {
    list,
    field,
    direction,
    column,
    size,
    backwards,
    behind,
    where: bounds.length === 0 ? {} : { AND: bounds },
    orderBy: [{ [column]: sql }, { id: sql }],
    take: size + 1,
  };
}

/** How many to answer with: what was asked for, or the default. Throws BadRequestError naming the argument. */
export function pageSize(
  asked: number | null | undefined,
  name: string,
  { maxPageSize, defaultPageSize }: PageLimits,
): number {
  if (asked == null) return Math.min(defaultPageSize, maxPageSize);
  if (asked >= 1 && asked <= maxPageSize) return asked;
  throw new BadRequestError(
    `"${name}" must be between 1 and ${maxPageSize}, not ${asked}. Page on with cursors for more.`,
    [name],
  );
}

/** Rows beyond a place, strictly or with what is at it. The first condition is implied by the second, and lets the index find the start. */
function beyond(
  list: List,
  column: string,
  { value, id }: Place,
  upwards: boolean,
  inclusive = false,
): Where {
  const strict = upwards ? 'gt' : 'lt';
  const loose = upwards ? 'gte' : 'lte';
  const byId = { id: { [inclusive ? loose : strict]: id } };
  if (column === 'id') return byId;
  const { values } = columnOf(list.entity, column);
  if (values) {
    const at = values.indexOf(String(value));
    const further = upwards ? values.slice(at + 1) : values.slice(0, at);
    return { OR: [{ [column]: { in: further } }, { [column]: value, ...byId }] };
  }
  return {
    AND: [{ [column]: { [loose]: value } }, { OR: [{ [column]: { [strict]: value } }, byId] }],
  };
}

/** The page, in the order that was asked for, with exact knowledge of whether it goes on, either way. */
export function makePage(
  { behind, ...plan }: PagePlan,
  rows: readonly Row[],
  probe: Probe,
): { edges: { cursor: string; node: Row }[]; pageInfo: PageInfoShape } {
  const more = rows.length > plan.size;
  const page = more ? rows.slice(0, plan.size) : [...rows];
  if (plan.backwards) page.reverse();
  const edges = page.map((node) => ({ node, cursor: encodeCursor(plan, node) }));
  // A promise behind a getter: what is not selected is not asked for.
  const isBehind = () => (behind === null ? false : probe(behind)) as boolean;
  return {
    edges,
    pageInfo: {
      get hasNextPage() {
        return plan.backwards ? isBehind() : more;
      },
      get hasPreviousPage() {
        return plan.backwards ? more : isBehind();
      },
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

// ---------------------------------------------------------------- cursors

interface Place {
  readonly value: unknown;
  readonly id: string;
}

function encodeCursor(
  { list, field, direction, column }: Omit<PagePlan, 'behind'>,
  row: Row,
): string {
  const value = row[column];
  const plain =
    value instanceof Date ? value.getTime() : typeof value === 'bigint' ? value.toString() : value;
  return Buffer.from(JSON.stringify([list.entity.type, field, direction, plain, row.id])).toString(
    'base64url',
  );
}

function decodeCursor(
  list: List,
  column: string,
  field: string,
  direction: Direction,
  cursor: string,
  argument: string,
): Place {
  const wrong = (why: string) =>
    new BadRequestError(`"${argument}" is not a cursor of this list: ${why}.`, [argument]);
  let parts: unknown;
  try {
    parts = cursor.length > 1024 ? null : JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    parts = null;
  }
  if (!Array.isArray(parts) || parts.length !== 5) throw wrong('it was not made by this API');
  const [type, madeFor, madeIn, plain, id] = parts as unknown[];
  if (type !== list.entity.type) throw wrong('it belongs to another list');
  if (madeFor !== field || madeIn !== direction)
    throw wrong(
      `it was made for the order ${String(madeFor).slice(0, 32)} ${String(madeIn).slice(0, 4)}`,
    );
  const value = typeof id === 'string' && isUuid(id) ? revive(list, column, plain) : undefined;
  if (value === undefined) throw wrong('it was changed');
  return { value, id: id as string };
}

/** The sort value as the column's type, or undefined when it is none: a forged cursor must not reach the database. */
function revive(list: List, column: string, plain: unknown): unknown {
  const { type, values } = columnOf(list.entity, column);
  if (typeof plain === 'number') {
    if (type === 'DateTime') return isStorableTime(plain) ? new Date(plain) : undefined;
    return type === 'Int' && Number.isInteger(plain) && Math.abs(plain) < 2 ** 31
      ? plain
      : undefined;
  }
  if (typeof plain !== 'string') return undefined;
  if (type === 'BigInt')
    return /^\d{1,19}$/.test(plain) && BigInt(plain) <= MAX_BIGINT ? BigInt(plain) : undefined;
  if (values) return values.includes(plain) ? plain : undefined;
  return type === 'String' && findUncleanText(plain) === null ? plain : undefined;
}
