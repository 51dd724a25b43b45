-- Versions for optimistic concurrency, usage counters beside the quota, and what should be beside what is.
-- Rows from before get values that describe them as they are: nothing starts, stops or moves because of this migration.

CREATE TYPE node_intent AS ENUM ('IN_SERVICE', 'CORDONED', 'DRAINING', 'MAINTENANCE');
CREATE TYPE desired_state AS ENUM ('STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'DELETED');

ALTER TABLE users               ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT users_version_check CHECK (version >= 1);
ALTER TABLE clusters            ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT clusters_version_check CHECK (version >= 1);
ALTER TABLE vm_snapshots        ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT vm_snapshots_version_check CHECK (version >= 1);
ALTER TABLE storage_pools       ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT storage_pools_version_check CHECK (version >= 1);
ALTER TABLE volumes             ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT volumes_version_check CHECK (version >= 1);
ALTER TABLE images              ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT images_version_check CHECK (version >= 1);
ALTER TABLE security_groups     ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT security_groups_version_check CHECK (version >= 1);
ALTER TABLE security_rules      ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT security_rules_version_check CHECK (version >= 1);
ALTER TABLE drs_recommendations ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT drs_recommendations_version_check CHECK (version >= 1);

-- ------------------------------------------------------------------ projects: what is used of the quota

ALTER TABLE projects
  ADD COLUMN used_virtual_machines integer NOT NULL DEFAULT 0,
  ADD COLUMN used_vcpus            integer NOT NULL DEFAULT 0,
  ADD COLUMN used_memory_mib       integer NOT NULL DEFAULT 0,
  ADD COLUMN used_storage_gib      integer NOT NULL DEFAULT 0,
  ADD COLUMN used_volumes          integer NOT NULL DEFAULT 0,
  ADD COLUMN used_snapshots        integer NOT NULL DEFAULT 0,
  ADD COLUMN version               integer NOT NULL DEFAULT 1 CONSTRAINT projects_version_check CHECK (version >= 1),
  ADD CONSTRAINT projects_usage_check CHECK (
    used_virtual_machines >= 0 AND used_vcpus >= 0 AND used_memory_mib >= 0
    AND used_storage_gib >= 0 AND used_volumes >= 0 AND used_snapshots >= 0);

UPDATE projects SET
  used_virtual_machines = machine.count,
  used_vcpus = machine.vcpus,
  used_memory_mib = machine.memory_mib
FROM (
  SELECT project_id, count(*) AS count,
         coalesce(sum((resources ->> 'vcpus')::numeric), 0) AS vcpus,
         coalesce(sum((resources ->> 'memoryMib')::numeric), 0) AS memory_mib
  FROM virtual_machines GROUP BY project_id
) AS machine
WHERE machine.project_id = projects.id;

UPDATE projects SET used_volumes = volume.count, used_storage_gib = volume.gib
FROM (
  SELECT project_id, count(*) AS count, sum(ceil(size_bytes / 1073741824.0)) AS gib
  FROM volumes GROUP BY project_id
) AS volume
WHERE volume.project_id = projects.id;

UPDATE projects SET used_snapshots = snapshot.count
FROM (
  SELECT virtual_machines.project_id, count(*) AS count
  FROM vm_snapshots JOIN virtual_machines ON virtual_machines.id = vm_snapshots.vm_id
  GROUP BY virtual_machines.project_id
) AS snapshot
WHERE snapshot.project_id = projects.id;

-- ------------------------------------------------------------------ nodes: the operator's intent, and the agent's count

ALTER TABLE nodes
  ADD COLUMN intent          node_intent NOT NULL DEFAULT 'IN_SERVICE',
  ADD COLUMN agent_instance  uuid,
  ADD COLUMN report_sequence bigint      NOT NULL DEFAULT 0 CONSTRAINT nodes_report_sequence_check CHECK (report_sequence >= 0),
  ADD COLUMN version         integer     NOT NULL DEFAULT 1 CONSTRAINT nodes_version_check CHECK (version >= 1);

-- the two phases that were an operator's wish, not an observation
UPDATE nodes SET intent = phase::text::node_intent WHERE phase IN ('MAINTENANCE', 'DRAINING');

-- ------------------------------------------------------------------ virtual machines: what should be

ALTER TABLE virtual_machines
  ADD COLUMN desired_state       desired_state NOT NULL DEFAULT 'STOPPED',
  ADD COLUMN generation          integer       NOT NULL DEFAULT 1 CONSTRAINT virtual_machines_generation_check CHECK (generation >= 1),
  ADD COLUMN observed_generation integer       NOT NULL DEFAULT 0 CONSTRAINT virtual_machines_observed_generation_check CHECK (observed_generation >= 0),
  ADD COLUMN cluster_id          uuid,
  ADD COLUMN capacity_claimed    boolean       NOT NULL DEFAULT false,
  ADD COLUMN deletion_protected  boolean       NOT NULL DEFAULT false,
  ADD COLUMN version             integer       NOT NULL DEFAULT 1 CONSTRAINT virtual_machines_version_check CHECK (version >= 1),
  ADD CONSTRAINT virtual_machines_cluster_id_fkey FOREIGN KEY (cluster_id) REFERENCES clusters (id) ON DELETE RESTRICT ON UPDATE CASCADE;

-- A machine nobody hears of is assumed to be meant to run where it is: taking it for stopped would stop it once its node is back.
UPDATE virtual_machines SET
  desired_state = CASE
    WHEN power_state IN ('RUNNING', 'PAUSED', 'SUSPENDED') THEN power_state::text::desired_state
    WHEN power_state = 'UNKNOWN' AND node_id IS NOT NULL THEN 'RUNNING'::desired_state
    ELSE 'STOPPED'::desired_state
  END,
  observed_generation = 1,
  capacity_claimed = node_id IS NOT NULL AND power_state <> 'STOPPED', -- a stopped machine holds nothing
  cluster_id = (SELECT nodes.cluster_id FROM nodes WHERE nodes.id = virtual_machines.node_id);

-- nodes.allocated must be the sum of what is marked as claimed on them, from here on
UPDATE nodes SET allocated = (
  SELECT jsonb_build_object(
    'vcpus', coalesce(sum((resources ->> 'vcpus')::numeric), 0),
    'memoryMib', coalesce(sum((resources ->> 'memoryMib')::numeric), 0),
    'storageGib', coalesce(sum((resources ->> 'storageGib')::numeric), 0))
  FROM virtual_machines WHERE virtual_machines.node_id = nodes.id AND capacity_claimed
);

ALTER TABLE virtual_machines
  ADD CONSTRAINT virtual_machines_capacity_claimed_check CHECK (NOT capacity_claimed OR node_id IS NOT NULL);
CREATE INDEX virtual_machines_cluster_id_name_idx ON virtual_machines (cluster_id, name);

-- ------------------------------------------------------------------ networks

ALTER TABLE virtual_networks
  ADD COLUMN mtu        integer NOT NULL DEFAULT 1500 CONSTRAINT virtual_networks_mtu_check CHECK (mtu BETWEEN 576 AND 9216),
  ADD COLUMN project_id uuid,
  ADD COLUMN version    integer NOT NULL DEFAULT 1 CONSTRAINT virtual_networks_version_check CHECK (version >= 1),
  ADD CONSTRAINT virtual_networks_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE RESTRICT ON UPDATE CASCADE;
CREATE INDEX virtual_networks_project_id_idx ON virtual_networks (project_id);

-- ------------------------------------------------------------------ alerts: one open per source and kind

ALTER TABLE alerts
  ADD COLUMN kind         varchar(63)    NOT NULL DEFAULT 'manual' CONSTRAINT alerts_kind_check CHECK (kind <> ''),
  ADD COLUMN count        integer        NOT NULL DEFAULT 1 CONSTRAINT alerts_count_check CHECK (count >= 1),
  ADD COLUMN last_seen_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  ADD COLUMN project_id   uuid,
  ADD COLUMN version      integer        NOT NULL DEFAULT 1 CONSTRAINT alerts_version_check CHECK (version >= 1),
  ADD CONSTRAINT alerts_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE ON UPDATE CASCADE;

-- Open alerts from before may repeat each other; each gets a kind of its own, so that none is lost to the index below.
UPDATE alerts SET
  kind = CASE WHEN resolved THEN 'manual' ELSE 'earlier-' || id END,
  last_seen_at = created_at,
  project_id = (SELECT vm.project_id FROM virtual_machines AS vm WHERE alerts.source_type = 'VM' AND vm.id = alerts.source_id);

CREATE UNIQUE INDEX alerts_open_key
  ON alerts (source_type, coalesce(source_id, '00000000-0000-0000-0000-000000000000'::uuid), kind) WHERE NOT resolved;
CREATE INDEX alerts_project_id_idx ON alerts (project_id);
