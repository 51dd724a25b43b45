/**
 * An entity declares, once, what every path to its rows needs: its API type, its table, its name column,
 * and who sees which rows. Lists, `node(id)`, relations, the write gate and subscriptions all use this declaration.
 */
import type { Db, Tx } from '../data/client.js';
import { NotFoundError } from '../errors.js';
import type { Prisma } from '../gen/client/client.js';
import { EVERYONE } from './audience.js';
import type { Viewer } from './authz.js';

type Row = Record<string, unknown>;
type Where = Record<string, unknown>;

/** The few calls that generic code makes on a Prisma model. */
export interface Delegate {
  findMany(args: object): Promise<Row[]>;
  findFirst(args: object): Promise<Row | null>;
  count(args: object): Promise<number>;
}

/** Who sees a row, said three times: as a condition for SQL, as a test of a loaded row, and as ids to be kept. A test proves that they agree. */
export interface Visibility {
  /** `{}` for all rows. */
  where(viewer: Viewer): Where;
  /** The columns and relations that `sees` looks at. */
  readonly needs: Readonly<Record<string, unknown>>;
  sees(viewer: Viewer, row: Row): boolean;
  /** Who sees it beside administrators: see core/audience.ts. Looks at what `sees` looks at. */
  audience(row: Row): readonly string[];
}

export interface Entity {
  /** The GraphQL type, which is also the type in ids, audit entries and hints. */
  readonly type: string;
  readonly model: Uncapitalize<Prisma.ModelName>;
  /** What people call a row by. */
  readonly label: string;
  readonly visibility: Visibility;
  /** The column that holds the owning project, if there is one. */
  readonly projectColumn: string | null;
  /** Where rows go into a bin before they go for good. */
  readonly bin?: Bin;
}

/** Rows with a time in `column` are in the bin: an entity is about those (`inside`), or about the others. */
export interface Bin {
  readonly column: string;
  readonly inside: boolean;
  /** Who sees the rows on either side. */
  readonly anywhere: Visibility;
}

/** Whether a row is on the entity's side of the bin. */
export function isOnSide({ bin }: Pick<Entity, 'bin'>, row: Row): boolean {
  return bin === undefined || (row[bin.column] != null) === bin.inside;
}

const entities = new Map<string, Entity>();

export function defineEntity<const E extends Entity>(entity: E): E {
  entities.set(entity.type, entity);
  return entity;
}

export function findEntity(type: string): Entity | undefined {
  return entities.get(type);
}

/** For entities of modules that build on the caller's: all are declared when the schema is built. Throws where none has this name. */
export function entityCalled(type: string): Entity {
  const entity = findEntity(type);
  if (!entity) throw new Error(`no module declares ${type}`);
  return entity;
}

export function allEntities(): readonly Entity[] {
  return [...entities.values()];
}

export function delegateOf(db: Db | Tx, model: Entity['model']): Delegate {
  return (db as unknown as Record<string, Delegate>)[model] as Delegate;
}

const ADMIN_LIKE = (viewer: Viewer): boolean => viewer.role === 'ADMIN';
const NOBODY: Where = { id: { in: [] } };

/** Infrastructure: every signed-in user sees it; agents see nothing through the graph. */
export const everyUser: Visibility = {
  where: (viewer) => (viewer.role === 'AGENT' ? NOBODY : {}),
  needs: {},
  sees: (viewer) => viewer.role !== 'AGENT',
  audience: () => [EVERYONE],
};

/** Rows that belong to the viewer alone. */
export function owned(column: string): Visibility {
  return {
    where: (viewer) =>
      ADMIN_LIKE(viewer) ? {} : viewer.role === 'AGENT' ? NOBODY : { [column]: viewer.id },
    needs: { [column]: true },
    sees: (viewer, row) =>
      ADMIN_LIKE(viewer) || (viewer.role !== 'AGENT' && row[column] === viewer.id),
    audience: (row) => [String(row[column])],
  };
}

/**
 * Rows of a project: its members see them.
 * `shared`: rows without a project are for every user. `publicColumn`: so are rows where it is true.
 * `shares`: a relation whose rows name further projects (`projectId`) that see it.
 */
export function ofProject(
  column: string,
  options: { shared?: boolean; publicColumn?: string; shares?: string } = {},
): Visibility {
  const { shared = false, publicColumn, shares } = options;
  return {
    where(viewer) {
      if (ADMIN_LIKE(viewer)) return {};
      if (viewer.role === 'AGENT') return NOBODY;
      const mine = { in: [...viewer.projects.keys()] };
      const any: Where[] = [{ [column]: mine }];
      if (shared) any.push({ [column]: null });
      if (publicColumn) any.push({ [publicColumn]: true });
      if (shares) any.push({ [shares]: { some: { projectId: mine } } });
      return any.length === 1 ? (any[0] ?? NOBODY) : { OR: any };
    },
    needs: {
      [column]: true,
      ...(publicColumn ? { [publicColumn]: true } : {}),
      ...(shares ? { [shares]: { select: { projectId: true } } } : {}),
    },
    sees(viewer, row) {
      if (ADMIN_LIKE(viewer)) return true;
      if (viewer.role === 'AGENT') return false;
      if (publicColumn && row[publicColumn] === true) return true;
      const sharedWith = (shares ? row[shares] : []) as { projectId: string }[];
      if (sharedWith.some((share) => viewer.projects.has(share.projectId))) return true;
      const projectId = row[column];
      return projectId === null ? shared : viewer.projects.has(String(projectId));
    },
    audience(row) {
      const projectId = row[column];
      if (publicColumn && row[publicColumn] === true) return [EVERYONE];
      if (projectId === null && shared) return [EVERYONE];
      const own = typeof projectId === 'string' ? [projectId] : [];
      return shares ? [...new Set([...own, ...sharedWith(row, shares)])] : own;
    },
  };
}

/** As a relation when it was loaded, or as the list of ids that a command tells the audit of: that one, where there are both. */
function sharedWith(row: Row, shares: string): readonly string[] {
  if (Array.isArray(row.sharedWith)) return row.sharedWith.map(String);
  return ((row[shares] ?? []) as { projectId: string }[]).map(({ projectId }) => projectId);
}

/** The rows on one side of a bin; those on the other are there for nobody, whatever the role. */
export function besideBin(bin: Bin): Visibility {
  const { column, inside, anywhere } = bin;
  const side = { [column]: inside ? { not: null } : null };
  return {
    where(viewer) {
      const seen = anywhere.where(viewer);
      return isAlways(seen) ? side : { AND: [side, seen] };
    },
    needs: { ...anywhere.needs, [column]: true },
    sees: (viewer, row) => isOnSide({ bin }, row) && anywhere.sees(viewer, row),
    audience: (row) => (isOnSide({ bin }, row) ? anywhere.audience(row) : []),
  };
}

const isAlways = (where: Where): boolean => Object.keys(where).length === 0;

/** Rows that are seen exactly when their owner, reached through a to-one relation, is. `optional`: a row without owner is for every user. */
export function through(
  relation: string,
  owner: Visibility,
  options: { optional?: boolean } = {},
): Visibility {
  const { optional = false } = options;
  return {
    where(viewer) {
      if (viewer.role === 'AGENT') return NOBODY;
      const condition = owner.where(viewer);
      if (isAlways(condition)) return {};
      const seen = { [relation]: { is: condition } };
      return optional ? { OR: [{ [relation]: { is: null } }, seen] } : seen;
    },
    needs: { [relation]: { select: { id: true, ...owner.needs } } },
    sees(viewer, row) {
      if (viewer.role === 'AGENT') return false;
      const related = row[relation] as Row | null;
      return related === null ? optional : owner.sees(viewer, related);
    },
    audience(row) {
      const related = row[relation] as Row | null | undefined;
      if (related) return owner.audience(related);
      return related === null && optional ? [EVERYONE] : [];
    },
  };
}

/**
 * The row with this id if the viewer may see it. Throws NotFoundError, the same for absent and hidden.
 * @param select the columns to return; `path` names the input field to blame.
 */
export async function requireVisible<T = Row>(
  db: Db | Tx,
  entity: Entity,
  viewer: Viewer,
  id: string,
  select: object = { id: true },
  path: readonly string[] = ['id'],
): Promise<T> {
  const row = await delegateOf(db, entity.model).findFirst({
    where: { AND: [{ id }, entity.visibility.where(viewer)] },
    select,
  });
  if (!row) throw new NotFoundError(entity.type, path);
  return row as T;
}
