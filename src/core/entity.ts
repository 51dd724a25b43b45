/**
 * An entity declares, once, what every path to its rows needs: its API type, its table, its name column,
 * and who sees which rows. Lists, `node(id)`, relations, the write gate and subscriptions all use this declaration.
 */
import type { Db, Tx } from '../data/client.js';
import { NotFoundError } from '../errors.js';
import type { Prisma } from '../gen/client/client.js';
import { EVERYONE } from './audience.js';
import { grants, isEverywhere, isWithin, type Permission, type Viewer } from './authz.js';

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
  /** Without all of these no row is seen. */
  readonly permissions: readonly Permission[];
  /** For some rows it takes some of these too. */
  also?(): readonly Permission[];
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

const NOBODY: Where = { id: { in: [] } };

const has = (viewer: Viewer, permissions: readonly Permission[]): boolean =>
  permissions.every((permission) => grants(viewer, permission));

/** Whether the viewer may read all rows of this kind, where it is. Agents may not: they see nothing through the graph. */
export const mayRead = (viewer: Viewer, { permissions, also }: Visibility): boolean =>
  has(viewer, permissions) && has(viewer, also?.() ?? []);

/** Nothing of it for viewers without the permission: whose token is for something else. */
export function readable(
  permission: Permission,
  visibility: Omit<Visibility, 'permissions'>,
): Visibility {
  return {
    permissions: [permission],
    needs: visibility.needs,
    audience: visibility.audience,
    where: (viewer) => (grants(viewer, permission) ? visibility.where(viewer) : NOBODY),
    sees: (viewer, row) => grants(viewer, permission) && visibility.sees(viewer, row),
  };
}

/** Infrastructure: every signed-in user sees it. */
export function everyUser(permission: Permission): Visibility {
  return readable(permission, {
    where: () => ({}),
    needs: {},
    sees: () => true,
    audience: () => [EVERYONE],
  });
}

/** Administrators alone see it, but no token of theirs that is for some projects. */
export function administrators(permission: Permission): Visibility {
  return readable(permission, {
    where: (viewer) => (isEverywhere(viewer) ? {} : NOBODY),
    needs: {},
    sees: isEverywhere,
    audience: () => [],
  });
}

/** Rows that belong to the viewer alone; those of nobody are for administrators. */
export function owned(column: string, permission: Permission): Visibility {
  return readable(permission, {
    where: (viewer) => (isEverywhere(viewer) ? {} : { [column]: viewer.id }),
    needs: { [column]: true },
    sees: (viewer, row) => isEverywhere(viewer) || row[column] === viewer.id,
    audience: (row) => (row[column] == null ? [] : [String(row[column])]),
  });
}

/**
 * Rows of a project: its members see them.
 * `shared`: rows without a project are for every user. `publicColumn`: so are rows where it is true.
 * `shares`: a relation whose rows name further projects (`projectId`) that see it.
 */
export function ofProject(
  column: string,
  permission: Permission,
  options: { shared?: boolean; publicColumn?: string; shares?: string } = {},
): Visibility {
  const { shared = false, publicColumn, shares } = options;
  return readable(permission, {
    where(viewer) {
      if (isEverywhere(viewer)) return {};
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
      if (isEverywhere(viewer)) return true;
      if (publicColumn && row[publicColumn] === true) return true;
      const sharedWith = (shares ? row[shares] : []) as { projectId: string }[];
      if (sharedWith.some((share) => isWithin(viewer, share.projectId))) return true;
      const projectId = row[column];
      return projectId === null ? shared : isWithin(viewer, String(projectId));
    },
    audience(row) {
      const projectId = row[column];
      if (publicColumn && row[publicColumn] === true) return [EVERYONE];
      if (projectId === null && shared) return [EVERYONE];
      const own = typeof projectId === 'string' ? [projectId] : [];
      return shares ? [...new Set([...own, ...sharedWith(row, shares)])] : own;
    },
  });
}

/**
 * Rows that tell of an object of another kind, which stands in `column` (never null): hidden from who may not read that kind.
 * `kinds`: the permissions for each value; asked late, when all entities are declared. Values that it does not name are for all.
 */
export function tellingOf(
  column: string,
  kinds: () => ReadonlyMap<string, readonly Permission[]>,
  visibility: Visibility,
): Visibility {
  const hiddenFrom = (viewer: Viewer): string[] =>
    viewer.scope
      ? [...kinds()].flatMap(([kind, permissions]) => (has(viewer, permissions) ? [] : [kind]))
      : []; // who has no token reads all kinds
  return {
    permissions: visibility.permissions,
    also: () => [...new Set([...kinds().values()].flat())],
    where(viewer) {
      const hidden = hiddenFrom(viewer);
      const seen = visibility.where(viewer);
      if (hidden.length === 0) return seen;
      return { AND: [{ [column]: { notIn: hidden } }, seen] };
    },
    needs: { ...visibility.needs, [column]: true },
    sees: (viewer, row) =>
      !hiddenFrom(viewer).includes(String(row[column])) && visibility.sees(viewer, row),
    audience: visibility.audience,
  };
}

/** For columns that hold the name of a type of the API. */
export function permissionsByType(): ReadonlyMap<string, readonly Permission[]> {
  return new Map(allEntities().map(({ type, visibility }) => [type, visibility.permissions]));
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
    permissions: anywhere.permissions,
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

/**
 * Rows that are seen exactly when their owner, reached through a to-one relation, is. `optional`: a row without owner is for every user.
 * `permission`: what it takes beside.
 */
export function through(
  relation: string,
  owner: Visibility,
  options: { optional?: boolean; permission?: Permission } = {},
): Visibility {
  const { optional = false, permission } = options;
  const visibility: Visibility = {
    permissions: owner.permissions,
    where(viewer) {
      if (!has(viewer, owner.permissions)) return NOBODY;
      const condition = owner.where(viewer);
      if (isAlways(condition)) return {};
      const seen = { [relation]: { is: condition } };
      return optional ? { OR: [{ [relation]: { is: null } }, seen] } : seen;
    },
    needs: { [relation]: { select: { id: true, ...owner.needs } } },
    sees(viewer, row) {
      if (!has(viewer, owner.permissions)) return false;
      const related = row[relation] as Row | null;
      return related === null ? optional : owner.sees(viewer, related);
    },
    audience(row) {
      const related = row[relation] as Row | null | undefined;
      if (related) return owner.audience(related);
      return related === null && optional ? [EVERYONE] : [];
    },
  };
  if (!permission) return visibility;
  return {
    ...readable(permission, visibility),
    permissions: [permission, ...owner.permissions],
  };
}

/** Nothing of this entity, at least not for the caller. It may be on the other side of the bin, which is not told apart either. */
export function notFound({ type, bin }: Entity, path?: readonly string[]): NotFoundError {
  return new NotFoundError(type, path, bin?.inside ? 'This is for what is in the bin.' : '');
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
  if (!row) throw notFound(entity, path);
  return row as T;
}
