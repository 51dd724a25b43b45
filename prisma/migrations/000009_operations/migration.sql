-- Operations beyond power: tasks about volumes, images and pools; jobs of agents; what they claim while they run.

ALTER TYPE task_operation ADD VALUE 'SUSPEND';
ALTER TYPE task_operation ADD VALUE 'RESET';
ALTER TYPE task_operation ADD VALUE 'MIGRATE';
ALTER TYPE task_operation ADD VALUE 'RESIZE';
ALTER TYPE task_operation ADD VALUE 'RECONFIGURE';
ALTER TYPE task_operation ADD VALUE 'PROVISION';
ALTER TYPE task_operation ADD VALUE 'CLONE';
ALTER TYPE task_operation ADD VALUE 'CREATE_SNAPSHOT';
ALTER TYPE task_operation ADD VALUE 'REVERT_SNAPSHOT';
ALTER TYPE task_operation ADD VALUE 'DELETE_SNAPSHOT';
ALTER TYPE task_operation ADD VALUE 'CREATE_VOLUME';
ALTER TYPE task_operation ADD VALUE 'GROW_VOLUME';
ALTER TYPE task_operation ADD VALUE 'DELETE_VOLUME';
ALTER TYPE task_operation ADD VALUE 'IMPORT_IMAGE';
ALTER TYPE task_operation ADD VALUE 'DELETE_IMAGE';
ALTER TYPE task_operation ADD VALUE 'PREPARE_POOL';

ALTER TYPE node_intent ADD VALUE 'DECOMMISSIONED';

-- ------------------------------------------------------------------ tasks: what they are about, what they make, whether they are to stop

ALTER TABLE tasks
  ADD COLUMN volume_id        uuid,
  ADD COLUMN image_id         uuid,
  ADD COLUMN pool_id          uuid,
  ADD COLUMN target_node_id   uuid,
  ADD COLUMN details          jsonb        NOT NULL DEFAULT '{}' CONSTRAINT tasks_details_check CHECK (jsonb_typeof(details) = 'object'),
  ADD COLUMN cancel_requested boolean      NOT NULL DEFAULT false,
  ADD COLUMN result_type      varchar(63),
  ADD COLUMN result_id        uuid,
  ADD CONSTRAINT tasks_volume_id_fkey      FOREIGN KEY (volume_id)      REFERENCES volumes (id)       ON DELETE SET NULL ON UPDATE CASCADE,
  ADD CONSTRAINT tasks_image_id_fkey       FOREIGN KEY (image_id)       REFERENCES images (id)        ON DELETE SET NULL ON UPDATE CASCADE,
  ADD CONSTRAINT tasks_pool_id_fkey        FOREIGN KEY (pool_id)        REFERENCES storage_pools (id) ON DELETE SET NULL ON UPDATE CASCADE,
  ADD CONSTRAINT tasks_target_node_id_fkey FOREIGN KEY (target_node_id) REFERENCES nodes (id)         ON DELETE SET NULL ON UPDATE CASCADE,
  ADD CONSTRAINT tasks_result_check CHECK ((result_type IS NULL) = (result_id IS NULL));

CREATE UNIQUE INDEX tasks_unfinished_volume_id_key ON tasks (volume_id) WHERE status IN ('PENDING', 'RUNNING');
CREATE UNIQUE INDEX tasks_unfinished_image_id_key  ON tasks (image_id)  WHERE status IN ('PENDING', 'RUNNING');
CREATE UNIQUE INDEX tasks_unfinished_pool_id_key   ON tasks (pool_id)   WHERE status IN ('PENDING', 'RUNNING');
CREATE INDEX tasks_volume_id_created_at_idx ON tasks (volume_id, created_at);
CREATE INDEX tasks_image_id_created_at_idx  ON tasks (image_id, created_at);
CREATE INDEX tasks_pool_id_created_at_idx   ON tasks (pool_id, created_at);
CREATE INDEX tasks_target_node_id_idx       ON tasks (target_node_id);

-- ------------------------------------------------------------------ virtual machines: the snapshot they stand on, and the bin

ALTER TABLE virtual_machines
  ADD COLUMN current_snapshot_id uuid,
  ADD COLUMN deleted_at          timestamptz(3),
  ADD CONSTRAINT virtual_machines_current_snapshot_id_fkey FOREIGN KEY (current_snapshot_id) REFERENCES vm_snapshots (id) ON DELETE SET NULL ON UPDATE CASCADE,
  ADD CONSTRAINT virtual_machines_deleted_at_check CHECK (deleted_at IS NULL OR NOT capacity_claimed);
CREATE INDEX virtual_machines_current_snapshot_id_idx ON virtual_machines (current_snapshot_id);
CREATE INDEX virtual_machines_deleted_at_idx ON virtual_machines (deleted_at);

-- what is in the bin keeps its name, and somebody else may take it meanwhile
DROP INDEX virtual_machines_project_id_name_key;
CREATE UNIQUE INDEX virtual_machines_project_id_name_key ON virtual_machines (project_id, name) WHERE deleted_at IS NULL;
CREATE INDEX virtual_machines_project_id_name_idx ON virtual_machines (project_id, name);

-- ------------------------------------------------------------------ storage: what is claimed, beside what is used

ALTER TABLE storage_pools
  ADD COLUMN claimed_bytes bigint NOT NULL DEFAULT 0 CONSTRAINT storage_pools_claimed_bytes_check CHECK (claimed_bytes >= 0);

ALTER TABLE volumes
  ADD COLUMN claimed_bytes      bigint  NOT NULL DEFAULT 0 CONSTRAINT volumes_claimed_bytes_check CHECK (claimed_bytes >= 0),
  ADD COLUMN deletion_protected boolean NOT NULL DEFAULT false,
  ADD COLUMN parent_id          uuid,
  ADD CONSTRAINT volumes_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES volumes (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  ADD CONSTRAINT volumes_parent_id_check CHECK (parent_id <> id),
  -- a volume that is made for a machine belongs to it from the beginning
  DROP CONSTRAINT volumes_attached_vm_id_check,
  ADD CONSTRAINT volumes_attached_vm_id_check CHECK (
    CASE
      WHEN phase = 'IN_USE' THEN attached_vm_id IS NOT NULL
      WHEN phase IN ('CREATING', 'RESIZING', 'ERROR') THEN true
      ELSE attached_vm_id IS NULL
    END);
CREATE INDEX volumes_parent_id_idx ON volumes (parent_id);

-- thick volumes hold their size; of a thin one, what it has taken so far is all that is known
UPDATE volumes SET claimed_bytes = CASE WHEN provisioning = 'THIN' THEN actual_size_bytes ELSE size_bytes END;
UPDATE storage_pools SET claimed_bytes = (SELECT coalesce(sum(claimed_bytes), 0) FROM volumes WHERE volumes.pool_id = storage_pools.id);

-- ------------------------------------------------------------------ images: where they come from, and who may use them

ALTER TABLE images
  ADD COLUMN source_url    varchar(2048) NOT NULL DEFAULT '',
  ADD COLUMN checksum      varchar(128)  NOT NULL DEFAULT '',
  ADD COLUMN error_message varchar(1000) NOT NULL DEFAULT '';

CREATE TABLE image_shares (
  image_id   uuid           NOT NULL,
  project_id uuid           NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT image_shares_pkey PRIMARY KEY (image_id, project_id),
  CONSTRAINT image_shares_image_id_fkey   FOREIGN KEY (image_id)   REFERENCES images (id)   ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT image_shares_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE INDEX image_shares_project_id_idx ON image_shares (project_id);
