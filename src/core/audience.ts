/**
 * Who sees an object, as a list of ids to be kept: of projects, for their members, and of users.
 * The audit keeps it for each change, from before and after, so that a change can be told to whom it concerns when the object has long
 * gone or moved: what somebody saw and sees no more is deleted for them, and what they see for the first time is created.
 * Administrators see all objects that are there. An object that is not there has an empty list.
 */
import { isAgent, isEverywhere, type Viewer } from './authz.js';

/** Every signed-in user, agents excepted. */
export const EVERYONE = '00000000-0000-0000-0000-000000000000';
/** Stands in every list but that of an object which is not there. */
export const ADMINISTRATORS = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The ids that stand for a viewer: whoever has one of an object's sees it. */
export function standsFor(viewer: Viewer): readonly string[] {
  if (isAgent(viewer)) return [];
  if (isEverywhere(viewer)) return [ADMINISTRATORS];
  return [EVERYONE, viewer.id, ...viewer.projects.keys()];
}

export type ObjectChangeKind = 'CREATED' | 'UPDATED' | 'DELETED';

/** What a change is to those with these ids; null: none of their business. */
export function kindFor(
  ids: readonly string[],
  before: readonly string[],
  after: readonly string[],
): ObjectChangeKind | null {
  const was = before.some((id) => ids.includes(id));
  const is = after.some((id) => ids.includes(id));
  if (is) return was ? 'UPDATED' : 'CREATED';
  return was ? 'DELETED' : null;
}
