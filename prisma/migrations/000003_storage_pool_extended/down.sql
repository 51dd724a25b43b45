-- the index, the foreign key and the check go with their columns
ALTER TABLE storage_pools
  DROP COLUMN error_message,
  DROP COLUMN assigned_node_ids,
  DROP COLUMN labels,
  DROP COLUMN project_id;
