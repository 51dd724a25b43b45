-- Snapshots that were taken for a copy alone go when it is made. No foreign key: tasks are forgotten after a while, and then it has ended, too.
ALTER TABLE vm_snapshots ADD COLUMN discard_after_task_id uuid;

-- They are few, and looked for every few seconds.
CREATE INDEX vm_snapshots_to_discard ON vm_snapshots (id) WHERE discard_after_task_id IS NOT NULL;
