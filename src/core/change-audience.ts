/** Who is to hear of a change: who saw the object before it, and who sees it after, as the audit keeps them. */
import type { Tx } from '../data/client.js';
import { ADMINISTRATORS } from './audience.js';
import type { Change } from './audit.js';
import { delegateOf, type Entity, findEntity, isOnSide } from './entity.js';

type Row = Readonly<Record<string, unknown>>;
export type Audiences = ReadonlyMap<
  Change,
  { readonly seenBefore: string[]; readonly seenAfter: string[] }
>;

/** To be called after the changes were made. What is no object of the API has no audience: it is in no feed. */
export async function audiencesOf(tx: Tx, changes: readonly Change[]): Promise<Audiences> {
  const related = await relatedRows(tx, changes);
  return new Map(
    changes.flatMap((change) => {
      const entity = findEntity(change.type);
      if (!entity) return [];
      const list = (row: object | null): string[] => {
        const known = { ...related.get(change.id), id: change.id, ...row };
        if (row === null || !isOnSide(entity, known)) return [];
        return [ADMINISTRATORS, ...audienceOf(entity, change, known)];
      };
      return [[change, { seenBefore: list(change.before), seenAfter: list(change.after) }]];
    }),
  );
}

/** A part is seen by those of its whole, whose project the command names. */
function audienceOf(entity: Entity, { projectId }: Change, row: Row): readonly string[] {
  if (entity.projectColumn === null && projectId !== undefined) return [projectId];
  return entity.visibility.audience(row);
}

/** Rows with what the changed columns do not tell: whom an image is published to, the machine that a recommendation is about. */
async function relatedRows(tx: Tx, changes: readonly Change[]): Promise<ReadonlyMap<string, Row>> {
  const wanted = new Map<Entity, string[]>();
  for (const { type, id, projectId, after } of changes) {
    const entity = findEntity(type);
    if (!entity || after === null || (entity.projectColumn === null && projectId !== undefined))
      continue;
    const reachesOut = Object.values(entity.visibility.needs).some((need) => need !== true);
    if (reachesOut) wanted.set(entity, [...(wanted.get(entity) ?? []), id]);
  }
  const rows = new Map<string, Row>();
  for (const [entity, ids] of wanted) {
    const select = { id: true, ...entity.visibility.needs };
    for (const row of await delegateOf(tx, entity.model).findMany({
      where: { id: { in: ids } },
      select,
    }))
      rows.set(String(row.id), row);
  }
  return rows;
}
