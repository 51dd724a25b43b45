DROP INDEX vm_snapshots_to_discard;
ALTER TABLE vm_snapshots DROP COLUMN discard_after_task_id;
