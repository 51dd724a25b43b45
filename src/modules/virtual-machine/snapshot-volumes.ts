/**
 * Which volumes a snapshot holds: those that were attached when it was taken. `volumes.spec.snapshotIds` names the snapshots, and
 * `snapshot_count` counts them. They stay attached as long, so the volumes of a machine's snapshots are among its own.
 */
import type { Change } from '../../core/command.js';
import type { Tx } from '../../data/client.js';

interface Held {
  readonly id: string;
  readonly projectId: string;
}

/** A change that nobody made: the figure follows from the snapshot. */
const figures = (rows: readonly Held[]): Change[] =>
  rows.map((row) => ({ type: 'Volume', id: row.id, before: row, after: row, derived: true }));

export async function holdVolumes(tx: Tx, vmId: string, snapshotId: string): Promise<Change[]> {
  return figures(
    await tx.$queryRaw<Held[]>`
      UPDATE volumes SET snapshot_count = snapshot_count + 1,
        spec = jsonb_set(spec, '{snapshotIds}', coalesce(spec->'snapshotIds', '[]') || to_jsonb(${snapshotId}::text))
      WHERE attached_vm_id = ${vmId}::uuid RETURNING id, project_id AS "projectId"`,
  );
}

/** Of snapshots of an earlier release only the count is known: more than are named. */
export async function letGoOfVolumes(tx: Tx, vmId: string, snapshotId: string): Promise<Change[]> {
  return figures(
    await tx.$queryRaw<Held[]>`
      UPDATE volumes SET snapshot_count = snapshot_count - 1,
        spec = CASE WHEN spec ? 'snapshotIds' THEN jsonb_set(spec, '{snapshotIds}', (spec->'snapshotIds') - ${snapshotId}::text) ELSE spec END
      WHERE attached_vm_id = ${vmId}::uuid AND snapshot_count > 0
        AND (coalesce(spec->'snapshotIds', '[]') @> to_jsonb(${snapshotId}::text)
          OR snapshot_count > jsonb_array_length(coalesce(spec->'snapshotIds', '[]')))
      RETURNING id, project_id AS "projectId"`,
  );
}

/** The machine goes, and its snapshots with it. */
export async function forgetSnapshots(tx: Tx, vmId: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE volumes SET snapshot_count = 0, spec = spec - 'snapshotIds'
    WHERE attached_vm_id = ${vmId}::uuid AND snapshot_count > 0`;
}
