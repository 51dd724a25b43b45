/**
 * What must be true of a datacenter at every moment, whatever was done to it: figures are the sums of the rows, and nothing is held
 * twice. For worlds in which everything is counted: machines by `seed.vm`, volumes by `seed.claimedVolume`, or through the API.
 */
import type { Data } from '../../src/data/client.js';

/** Each broken rule as a sentence with names and figures; empty when all is well. One statement: the state of one moment. */
export async function violations(db: Data['db']): Promise<string[]> {
  const rows = await db.$queryRaw<{ says: string }[]>`
    WITH machines AS (
      SELECT v.*, (resources->>'vcpus')::bigint AS vcpus, (resources->>'memoryMib')::bigint AS memory,
        coalesce((resources->>'storageGib')::bigint, 0) AS storage FROM virtual_machines v),
    counted_machines AS (SELECT * FROM machines WHERE deleted_at IS NULL), -- the bin counts for nothing but its volumes
    unfinished AS (SELECT * FROM tasks WHERE status IN ('PENDING', 'RUNNING')),
    held AS (
      SELECT node_id, vcpus, memory, storage FROM machines WHERE capacity_claimed
      UNION ALL -- a migration holds room where it goes until its machine is there
      SELECT target_node_id, (details->'held'->>'vcpus')::bigint, (details->'held'->>'memoryMib')::bigint,
        coalesce((details->'held'->>'storageGib')::bigint, 0)
      FROM unfinished WHERE operation = 'MIGRATE' AND details->>'phase' = 'COPYING'),
    disks AS (
      SELECT m.id AS vm_id, m.name AS vm, d->>'volumeId' AS volume_id FROM machines m,
        jsonb_array_elements(CASE WHEN jsonb_typeof(m.spec->'disks') = 'array' THEN m.spec->'disks' ELSE '[]' END) d
      WHERE m.deleted_at IS NULL),
    projects_counted AS (
      SELECT p.*,
        concat_ws(' ', used_virtual_machines, used_vcpus, used_memory_mib, used_volumes, used_storage_gib, used_snapshots) AS kept,
        concat_ws(' ',
          (SELECT count(*) FROM counted_machines WHERE project_id = p.id),
          (SELECT coalesce(sum(vcpus), 0) FROM counted_machines WHERE project_id = p.id),
          (SELECT coalesce(sum(memory), 0) FROM counted_machines WHERE project_id = p.id),
          (SELECT count(*) FROM volumes WHERE project_id = p.id),
          (SELECT coalesce(sum(ceil(coalesce( -- growth that goes on is counted already
             (SELECT (details->>'sizeBytes')::bigint FROM unfinished t WHERE t.volume_id = v.id AND operation = 'GROW_VOLUME'),
             v.size_bytes) / 1073741824.0)), 0) FROM volumes v WHERE project_id = p.id),
          (SELECT count(*) FROM vm_snapshots s JOIN counted_machines m ON m.id = s.vm_id WHERE m.project_id = p.id)) AS counted
      FROM projects p),
    nodes_counted AS (
      SELECT n.hostname,
        concat_ws(' ', coalesce(allocated->>'vcpus', '0'), coalesce(allocated->>'memoryMib', '0'), coalesce(allocated->>'storageGib', '0')) AS kept,
        (SELECT concat_ws(' ', coalesce(sum(vcpus), 0), coalesce(sum(memory), 0), coalesce(sum(storage), 0))
         FROM held WHERE held.node_id = n.id) AS counted
      FROM nodes n)
    SELECT 'project ' || name || ' uses (machines, vcpus, MiB, volumes, GiB, snapshots) ' || counted || ', its row says ' || kept AS says
      FROM projects_counted WHERE counted <> kept
    UNION ALL SELECT 'node ' || hostname || ' holds (vcpus, MiB, GiB) ' || counted || ', its row says ' || kept
      FROM nodes_counted WHERE counted <> kept
    UNION ALL SELECT 'pool ' || name || ' has claimed ' || claimed_bytes || ' bytes, which is not the sum of its volumes'
      FROM storage_pools p WHERE claimed_bytes <> (SELECT coalesce(sum(claimed_bytes), 0) FROM volumes WHERE pool_id = p.id)
    UNION ALL SELECT 'machine ' || name || ' holds capacity of no node' FROM machines WHERE capacity_claimed AND node_id IS NULL
    UNION ALL SELECT 'machine ' || name || ' is in the bin and on a node' FROM machines
      WHERE deleted_at IS NOT NULL AND (capacity_claimed OR node_id IS NOT NULL OR power_state <> 'STOPPED')
    UNION ALL SELECT 'volume ' || volume_id || ' is a disk of ' || string_agg(vm, ', ') FROM disks GROUP BY volume_id HAVING count(*) > 1
    UNION ALL SELECT 'machine ' || d.vm || ' has the disk ' || d.volume_id || ', which is not attached to it'
      FROM disks d WHERE NOT EXISTS (SELECT FROM volumes v WHERE v.id::text = d.volume_id AND v.attached_vm_id = d.vm_id)
    UNION ALL SELECT 'volume ' || v.name || ' is attached to a machine of another project'
      FROM volumes v JOIN machines m ON m.id = v.attached_vm_id WHERE v.project_id <> m.project_id
    UNION ALL SELECT 'snapshot ' || s.name || ' builds on one of another machine'
      FROM vm_snapshots s JOIN vm_snapshots p ON p.id = s.parent_id WHERE p.vm_id <> s.vm_id
    UNION ALL SELECT 'machine ' || m.name || ' stands on a snapshot of another machine'
      FROM machines m JOIN vm_snapshots s ON s.id = m.current_snapshot_id WHERE s.vm_id <> m.id
    UNION ALL SELECT 'snapshot ' || s.name || ' is ' || s.state || ' and no task is at work on its machine'
      FROM vm_snapshots s WHERE s.state NOT IN ('AVAILABLE', 'ERROR') AND NOT EXISTS (SELECT FROM unfinished t WHERE t.vm_id = s.vm_id)
    ORDER BY says`;
  return rows.map(({ says }) => says);
}

/** Snapshots that were taken for a copy which has ended, and are still there: none, once the keeper and the agents had their rounds. */
export async function undiscarded(db: Data['db']): Promise<string[]> {
  const rows = await db.$queryRaw<{ says: string }[]>`
    SELECT 'snapshot ' || s.name || ' (' || s.state || ') of ' || v.name || ' (' || v.power_state || ') waits to be discarded, and nothing copies it' AS says
    FROM vm_snapshots s JOIN virtual_machines v ON v.id = s.vm_id
    WHERE s.discard_after_task_id IS NOT NULL AND v.deleted_at IS NULL -- in the bin they go with their machine
      AND NOT EXISTS (SELECT FROM tasks t WHERE t.id = s.discard_after_task_id AND t.finished_at IS NULL)
    ORDER BY says`;
  return rows.map(({ says }) => says);
}
