-- A pool may belong to one project (null: shared by all), and says on which nodes it is reachable and what is wrong with it.

ALTER TABLE storage_pools
  ADD COLUMN project_id        uuid,
  ADD COLUMN labels            jsonb         NOT NULL DEFAULT '{}',
  ADD COLUMN assigned_node_ids uuid[]        NOT NULL DEFAULT '{}',
  ADD COLUMN error_message     varchar(1000) NOT NULL DEFAULT '',
  ADD CONSTRAINT storage_pools_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  ADD CONSTRAINT storage_pools_labels_check CHECK (
    jsonb_typeof(labels) = 'object'
    AND NOT jsonb_path_exists(labels, 'strict $.* ? (@.type() != "string")', '{}', true));
CREATE INDEX storage_pools_project_id_idx ON storage_pools (project_id);
