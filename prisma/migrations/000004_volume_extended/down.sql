-- the checks go with their columns
ALTER TABLE volumes
  DROP COLUMN snapshot_count,
  DROP COLUMN device_path,
  DROP COLUMN backend_id,
  DROP COLUMN actual_size_bytes,
  DROP COLUMN error_message,
  DROP COLUMN spec,
  DROP COLUMN labels;
