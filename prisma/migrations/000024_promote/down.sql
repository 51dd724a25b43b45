-- The earlier release has no word for these tasks, and could not read them. What one that goes on has claimed stays with its volumes.
DELETE FROM tasks WHERE operation = 'PROMOTE';
ALTER TABLE tasks ALTER COLUMN operation TYPE text;
DROP TYPE task_operation;
CREATE TYPE task_operation AS ENUM (
  'START', 'STOP', 'REBOOT', 'PAUSE', 'RESUME', 'DELETE', 'SUSPEND', 'RESET', 'MIGRATE', 'RESIZE', 'RECONFIGURE', 'PROVISION', 'CLONE',
  'CREATE_SNAPSHOT', 'REVERT_SNAPSHOT', 'DELETE_SNAPSHOT', 'CREATE_VOLUME', 'GROW_VOLUME', 'DELETE_VOLUME', 'IMPORT_IMAGE', 'DELETE_IMAGE',
  'PREPARE_POOL');
ALTER TABLE tasks ALTER COLUMN operation TYPE task_operation USING operation::task_operation;
