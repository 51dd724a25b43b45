/** The change feed for one viewer: what to read of it, a page of it, and its stream. */
import { EVERYONE, standsFor } from '../../core/audience.js';
import { isEverywhere, isWithin, type Viewer } from '../../core/authz.js';
import { entityCalled, mayRead, requireVisible } from '../../core/entity.js';
import { type FeedEntry, type FeedPage, feedEnd, readFeed, type Stale } from '../../core/feed.js';
import { decodeFeedCursor, type FeedCursor, rightsOf } from '../../core/feed-cursor.js';
import { NotFoundError, NothingToWatchError, UnauthenticatedError } from '../../errors.js';
import type { GraphQLContext } from '../../graphql/builder.js';
import type { Batch } from '../../graphql/node.js';
import { uuidOf } from '../../graphql/node.js';
import { ProjectEntity } from '../project/queries.js';

/** The types whose objects the feed tells of: all but the audit's, which tells of itself. A test holds the list against the schema. */
export const FEED_TYPES = [
  'Alert',
  'ApiToken',
  'Cluster',
  'DrsRecommendation',
  'EnrolmentToken',
  'HypervisorNode',
  'Image',
  'NetworkInterface',
  'Project',
  'SecurityGroup',
  'SecurityRule',
  'Session',
  'StoragePool',
  'Task',
  'User',
  'VirtualMachine',
  'VirtualMachineSnapshot',
  'VirtualNetwork',
  'Volume',
] as const;

export interface ChangesArgs {
  readonly after?: string | null | undefined;
  readonly types?: readonly string[] | null | undefined;
  readonly projectId?: string | null | undefined;
}

/** A change as this viewer is told of it. */
export interface ObjectChange extends FeedEntry {
  /** The objects of its type in its page: read together. */
  readonly batch: Batch;
}

export interface Resync {
  readonly cursor: FeedCursor;
  readonly reason: Stale | 'RIGHTS_CHANGED';
}

/** What somebody follows. */
export interface Following {
  readonly ids: readonly string[];
  readonly types: readonly string[];
  /** Only of this project. */
  readonly projectId: string | null;
  readonly cursor: FeedCursor | null;
  readonly rights: string;
}

/** @throws {BadRequestError} a cursor or an id that is none; {NothingToWatchError} no such project to the viewer */
export async function following(
  { viewer, prisma }: GraphQLContext,
  { after, types, projectId }: ChangesArgs,
): Promise<Following> {
  if (!viewer) throw new UnauthenticatedError();
  const cursor = after == null ? null : decodeFeedCursor(after);
  const project = projectId == null ? null : uuidOf('Project', projectId, ['projectId']);
  // Whoever goes on follows it until it is gone, and hears of that.
  if (project !== null && !(isEverywhere(viewer) && cursor))
    await requireVisible(prisma, ProjectEntity, viewer, project).catch((error: unknown) => {
      if (!(error instanceof NotFoundError)) throw error;
      throw new NothingToWatchError('Project', ['projectId']);
    });
  return {
    ids: project === null ? standsFor(viewer) : [project],
    types: (types ?? FEED_TYPES).filter((type) => mayRead(viewer, entityCalled(type).visibility)),
    projectId: project,
    cursor,
    rights: rightsOf(viewer),
  };
}

/** One statement. */
export async function pageOf(
  { services }: GraphQLContext,
  { ids, types, rights }: Following,
  cursor: FeedCursor,
  first: number,
): Promise<Resync | (Omit<FeedPage, 'entries'> & { entries: readonly ObjectChange[] })> {
  const { db } = services.data;
  if (cursor.rights !== rights)
    return { reason: 'RIGHTS_CHANGED', cursor: await feedEnd(db, rights) };
  const page = await readFeed(db, cursor, { ids, types, first });
  if ('stale' in page) return { reason: page.stale, cursor: page.end };
  const batches = new Map<string, string[]>();
  for (const { type, objectId } of page.entries)
    batches.set(type, [...(batches.get(type) ?? []), objectId]);
  const made = new Map(
    [...batches].map(([type, all]): [string, Batch] => [
      type,
      { ids: [...new Set(all)], rows: new Map() },
    ]),
  );
  const entries = page.entries.map((entry) => ({
    ...entry,
    batch: made.get(entry.type) as Batch,
  }));
  return { ...page, entries };
}

/** The project that a viewer may be told of: for what left theirs, the one that it left. */
export function projectTold(viewer: Viewer, change: FeedEntry): string | null {
  const { projectId, seenBefore, kind } = change;
  const left =
    kind === 'DELETED'
      ? seenBefore.find((id) => id !== EVERYONE && viewer.projects.has(id))
      : undefined;
  if (left !== undefined) return left;
  return projectId !== null && isWithin(viewer, projectId) ? projectId : null;
}
