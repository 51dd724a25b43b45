-- The durable record of an operation that outlives its request. It outlives what it was about, too: references become null.

CREATE TYPE task_operation AS ENUM ('START', 'STOP', 'REBOOT', 'PAUSE', 'RESUME', 'DELETE');
CREATE TYPE task_status AS ENUM ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT');

CREATE TABLE tasks (
  id               uuid           NOT NULL,
  operation        task_operation NOT NULL,
  status           task_status    NOT NULL DEFAULT 'PENDING',
  progress_percent integer        NOT NULL DEFAULT 0,
  resource_type    varchar(63)    NOT NULL,
  resource_id      uuid           NOT NULL,
  resource_name    varchar(253)   NOT NULL,
  vm_id            uuid,
  node_id          uuid,
  project_id       uuid,
  generation       integer        NOT NULL,
  force            boolean        NOT NULL DEFAULT false,
  error_code       varchar(63),
  error_message    varchar(1000),
  created_by       uuid,
  created_by_name  varchar(253)   NOT NULL,
  started_at       timestamptz(3),
  finished_at      timestamptz(3),
  deadline_at      timestamptz(3) NOT NULL,
  created_at       timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at       timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT tasks_pkey PRIMARY KEY (id),
  CONSTRAINT tasks_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES virtual_machines (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT tasks_node_id_fkey FOREIGN KEY (node_id) REFERENCES nodes (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT tasks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT tasks_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT tasks_progress_percent_check CHECK (progress_percent BETWEEN 0 AND 100),
  CONSTRAINT tasks_generation_check CHECK (generation >= 0),
  CONSTRAINT tasks_finished_at_check CHECK ((status IN ('PENDING', 'RUNNING')) = (finished_at IS NULL))
);
-- one operation at a time: the second of two racing commands meets this, whatever it read before
CREATE UNIQUE INDEX tasks_unfinished_vm_id_key ON tasks (vm_id) WHERE status IN ('PENDING', 'RUNNING');
CREATE INDEX tasks_created_at_id_idx ON tasks (created_at, id);
CREATE INDEX tasks_vm_id_created_at_idx ON tasks (vm_id, created_at);
CREATE INDEX tasks_node_id_idx ON tasks (node_id);
CREATE INDEX tasks_project_id_created_at_idx ON tasks (project_id, created_at);
CREATE INDEX tasks_created_by_idx ON tasks (created_by);
CREATE INDEX tasks_status_deadline_at_idx ON tasks (status, deadline_at);
