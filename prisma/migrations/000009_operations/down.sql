-- What the earlier release has no word for goes: tasks of the new operations, and machines that are in the bin already.

DROP TABLE image_shares;
ALTER TABLE images DROP COLUMN error_message, DROP COLUMN checksum, DROP COLUMN source_url;

ALTER TABLE volumes
  DROP CONSTRAINT volumes_attached_vm_id_check,
  DROP COLUMN parent_id,
  DROP COLUMN deletion_protected,
  DROP COLUMN claimed_bytes;
-- a volume that was being made for a machine is not whole
UPDATE volumes SET phase = 'ERROR', error_message = 'Its creation was cut off' WHERE phase = 'CREATING' AND attached_vm_id IS NOT NULL;
ALTER TABLE volumes ADD CONSTRAINT volumes_attached_vm_id_check CHECK (
    CASE
      WHEN phase = 'IN_USE' THEN attached_vm_id IS NOT NULL
      WHEN phase IN ('RESIZING', 'ERROR') THEN true
      ELSE attached_vm_id IS NULL
    END);
ALTER TABLE storage_pools DROP COLUMN claimed_bytes;

-- names in the bin may be taken again: what is there comes back under its id
UPDATE virtual_machines SET name = 'vm-' || id WHERE deleted_at IS NOT NULL;
DROP INDEX virtual_machines_project_id_name_idx, virtual_machines_project_id_name_key;
ALTER TABLE virtual_machines DROP COLUMN deleted_at, DROP COLUMN current_snapshot_id;
CREATE UNIQUE INDEX virtual_machines_project_id_name_key ON virtual_machines (project_id, name);

ALTER TABLE tasks
  DROP COLUMN result_id, DROP COLUMN result_type, DROP COLUMN cancel_requested, DROP COLUMN details,
  DROP COLUMN target_node_id, DROP COLUMN pool_id, DROP COLUMN image_id, DROP COLUMN volume_id;

DELETE FROM tasks WHERE operation NOT IN ('START', 'STOP', 'REBOOT', 'PAUSE', 'RESUME', 'DELETE');
ALTER TABLE tasks ALTER COLUMN operation TYPE text;
DROP TYPE task_operation;
CREATE TYPE task_operation AS ENUM ('START', 'STOP', 'REBOOT', 'PAUSE', 'RESUME', 'DELETE');
ALTER TABLE tasks ALTER COLUMN operation TYPE task_operation USING operation::task_operation;

UPDATE nodes SET intent = 'MAINTENANCE' WHERE intent = 'DECOMMISSIONED';
ALTER TABLE nodes ALTER COLUMN intent DROP DEFAULT, ALTER COLUMN intent TYPE text;
DROP TYPE node_intent;
CREATE TYPE node_intent AS ENUM ('IN_SERVICE', 'CORDONED', 'DRAINING', 'MAINTENANCE');
ALTER TABLE nodes ALTER COLUMN intent TYPE node_intent USING intent::node_intent, ALTER COLUMN intent SET DEFAULT 'IN_SERVICE';
