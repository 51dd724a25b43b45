-- The 15 tables of a virtual datacenter, the join table between machines and groups, and the default project.
-- Foreign keys never destroy what somebody still uses: RESTRICT by default, CASCADE from owner to part,
-- SET NULL for history. None is deferrable: the embedded database could not report a failing COMMIT.
-- JSON columns: the application validates them whole; the checks here stop only what would break arithmetic on them.

CREATE TYPE user_role AS ENUM ('ADMIN', 'OPERATOR', 'VIEWER');
CREATE TYPE drs_automation AS ENUM ('MANUAL', 'PARTIAL', 'FULL');
CREATE TYPE node_phase AS ENUM ('PENDING', 'READY', 'NOT_READY', 'MAINTENANCE', 'DRAINING', 'DISCONNECTED');
CREATE TYPE power_state AS ENUM ('STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED', 'UNKNOWN');
CREATE TYPE snapshot_state AS ENUM ('CREATING', 'AVAILABLE', 'REVERTING', 'DELETING', 'ERROR');
CREATE TYPE pool_type AS ENUM ('CEPH_RBD', 'CEPH_CEPHFS', 'LOCAL_LVM', 'LOCAL_DIR', 'NFS', 'ISCSI');
CREATE TYPE pool_phase AS ENUM ('PENDING', 'READY', 'DEGRADED', 'ERROR', 'DELETING');
CREATE TYPE volume_provisioning AS ENUM ('THIN', 'THICK_LAZY', 'THICK_EAGER');
CREATE TYPE volume_phase AS ENUM ('CREATING', 'READY', 'IN_USE', 'RESIZING', 'DELETING', 'ERROR');
CREATE TYPE image_format AS ENUM ('RAW', 'QCOW2', 'VMDK', 'VHD', 'ISO', 'OVA');
CREATE TYPE image_phase AS ENUM ('PENDING', 'DOWNLOADING', 'CONVERTING', 'AVAILABLE', 'ERROR', 'DELETING');
CREATE TYPE network_type AS ENUM ('VLAN', 'OVERLAY', 'EXTERNAL', 'ISOLATED');
CREATE TYPE network_phase AS ENUM ('PENDING', 'READY', 'ERROR', 'DELETING');
CREATE TYPE rule_direction AS ENUM ('INGRESS', 'EGRESS');
CREATE TYPE rule_protocol AS ENUM ('TCP', 'UDP', 'ICMP', 'ANY');
CREATE TYPE rule_action AS ENUM ('ALLOW', 'DENY');
CREATE TYPE alert_severity AS ENUM ('CRITICAL', 'WARNING', 'INFO');
CREATE TYPE alert_source_type AS ENUM ('HOST', 'VM', 'STORAGE', 'NETWORK', 'CLUSTER', 'SYSTEM');
CREATE TYPE drs_priority AS ENUM ('CRITICAL', 'HIGH', 'MEDIUM', 'LOW');
CREATE TYPE drs_recommendation_type AS ENUM ('MIGRATE', 'POWER_ON', 'POWER_OFF');
CREATE TYPE drs_status AS ENUM ('PENDING', 'APPROVED', 'APPLIED', 'REJECTED', 'EXPIRED');

-- ------------------------------------------------------------------ tenancy

CREATE TABLE projects (
  id          uuid           NOT NULL,
  name        varchar(63)    NOT NULL,
  description varchar(1000)  NOT NULL DEFAULT '',
  quota       jsonb          NOT NULL DEFAULT '{}',
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT projects_pkey PRIMARY KEY (id),
  CONSTRAINT projects_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT projects_quota_check CHECK (
    jsonb_typeof(quota) = 'object'
    AND NOT jsonb_path_exists(quota, 'strict $.* ? (@.type() != "null" && (@.type() != "number" || @ < 0))', '{}', true))
);
CREATE UNIQUE INDEX projects_name_key ON projects (name);
CREATE INDEX projects_created_at_id_idx ON projects (created_at, id);
CREATE INDEX projects_updated_at_id_idx ON projects (updated_at, id);

CREATE TABLE users (
  id            uuid           NOT NULL,
  username      varchar(63)    NOT NULL,
  email         varchar(254)   NOT NULL,
  password_hash varchar(255)   NOT NULL,
  role          user_role      NOT NULL DEFAULT 'VIEWER',
  enabled       boolean        NOT NULL DEFAULT true,
  last_login    timestamptz(3),
  created_at    timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at    timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT users_pkey PRIMARY KEY (id),
  CONSTRAINT users_username_check CHECK (username ~ '^[a-z][a-z0-9._-]{0,62}$'),
  -- stored in lower case, so that the plain unique index ignores case
  CONSTRAINT users_email_check CHECK (email = lower(email) AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$')
);
CREATE UNIQUE INDEX users_username_key ON users (username);
CREATE UNIQUE INDEX users_email_key ON users (email);
CREATE INDEX users_created_at_id_idx ON users (created_at, id);

-- ------------------------------------------------------------------ infrastructure

CREATE TABLE clusters (
  id             uuid           NOT NULL,
  name           varchar(63)    NOT NULL,
  description    varchar(1000)  NOT NULL DEFAULT '',
  ha_enabled     boolean        NOT NULL DEFAULT false,
  drs_enabled    boolean        NOT NULL DEFAULT false,
  drs_automation drs_automation NOT NULL DEFAULT 'MANUAL',
  created_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT clusters_pkey PRIMARY KEY (id),
  CONSTRAINT clusters_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$')
);
CREATE UNIQUE INDEX clusters_name_key ON clusters (name);
CREATE INDEX clusters_created_at_id_idx ON clusters (created_at, id);

CREATE TABLE nodes (
  id             uuid           NOT NULL,
  hostname       varchar(253)   NOT NULL,
  management_ip  inet           NOT NULL,
  cluster_id     uuid           NOT NULL,
  labels         jsonb          NOT NULL DEFAULT '{}',
  spec           jsonb          NOT NULL DEFAULT '{}',
  phase          node_phase     NOT NULL DEFAULT 'PENDING',
  conditions     jsonb          NOT NULL DEFAULT '[]',
  allocatable    jsonb          NOT NULL DEFAULT '{}',
  allocated      jsonb          NOT NULL DEFAULT '{"vcpus":0,"memoryMib":0,"storageGib":0}',
  system_info    jsonb          NOT NULL DEFAULT '{}',
  last_heartbeat timestamptz(3),
  created_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT nodes_pkey PRIMARY KEY (id),
  CONSTRAINT nodes_cluster_id_fkey FOREIGN KEY (cluster_id) REFERENCES clusters (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  -- a host name of RFC 1123 in lower case: labels of letters, digits and inner hyphens
  CONSTRAINT nodes_hostname_check CHECK (
    hostname ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$'),
  CONSTRAINT nodes_management_ip_check CHECK (
    masklen(management_ip) = CASE family(management_ip) WHEN 4 THEN 32 ELSE 128 END),
  CONSTRAINT nodes_labels_check CHECK (
    jsonb_typeof(labels) = 'object'
    AND NOT jsonb_path_exists(labels, 'strict $.* ? (@.type() != "string")', '{}', true)),
  CONSTRAINT nodes_spec_check CHECK (jsonb_typeof(spec) = 'object'),
  CONSTRAINT nodes_conditions_check CHECK (jsonb_typeof(conditions) = 'array'),
  CONSTRAINT nodes_allocatable_check CHECK (
    jsonb_typeof(allocatable) = 'object'
    AND NOT jsonb_path_exists(allocatable, 'strict $.* ? (@.type() != "number" || @ < 0)', '{}', true)),
  -- all three keys must exist: claims add to them, and a missing one would turn the sum into null
  CONSTRAINT nodes_allocated_check CHECK (
    jsonb_typeof(allocated) = 'object'
    AND allocated ?& ARRAY['vcpus', 'memoryMib', 'storageGib']
    AND NOT jsonb_path_exists(allocated, 'strict $.* ? (@.type() != "number" || @ < 0)', '{}', true)),
  CONSTRAINT nodes_system_info_check CHECK (jsonb_typeof(system_info) = 'object')
);
CREATE UNIQUE INDEX nodes_hostname_key ON nodes (hostname);
CREATE INDEX nodes_cluster_id_hostname_idx ON nodes (cluster_id, hostname);
CREATE INDEX nodes_created_at_id_idx ON nodes (created_at, id);
CREATE INDEX nodes_phase_last_heartbeat_idx ON nodes (phase, last_heartbeat);

-- ------------------------------------------------------------------ virtual machines

CREATE TABLE virtual_machines (
  id               uuid           NOT NULL,
  name             varchar(63)    NOT NULL,
  project_id       uuid           NOT NULL,
  description      varchar(1000)  NOT NULL DEFAULT '',
  labels           jsonb          NOT NULL DEFAULT '{}',
  hardware_version integer        NOT NULL DEFAULT 1,
  spec             jsonb          NOT NULL DEFAULT '{}',
  power_state      power_state    NOT NULL DEFAULT 'STOPPED',
  node_id          uuid,
  ip_addresses     varchar(45)[]  NOT NULL DEFAULT '{}',
  resources        jsonb          NOT NULL DEFAULT '{}',
  guest_agent      jsonb          NOT NULL DEFAULT '{}',
  status_message   varchar(1000)  NOT NULL DEFAULT '',
  created_by       uuid,
  created_at       timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at       timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT virtual_machines_pkey PRIMARY KEY (id),
  CONSTRAINT virtual_machines_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT virtual_machines_node_id_fkey FOREIGN KEY (node_id) REFERENCES nodes (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT virtual_machines_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT virtual_machines_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT virtual_machines_labels_check CHECK (
    jsonb_typeof(labels) = 'object'
    AND NOT jsonb_path_exists(labels, 'strict $.* ? (@.type() != "string")', '{}', true)),
  CONSTRAINT virtual_machines_hardware_version_check CHECK (hardware_version >= 1),
  CONSTRAINT virtual_machines_spec_check CHECK (jsonb_typeof(spec) = 'object'),
  CONSTRAINT virtual_machines_resources_check CHECK (
    jsonb_typeof(resources) = 'object'
    AND NOT jsonb_path_exists(resources, 'strict $.* ? (@.type() != "number" || @ < 0)', '{}', true)),
  CONSTRAINT virtual_machines_guest_agent_check CHECK (jsonb_typeof(guest_agent) = 'object')
);
CREATE UNIQUE INDEX virtual_machines_project_id_name_key ON virtual_machines (project_id, name);
CREATE INDEX virtual_machines_name_id_idx ON virtual_machines (name, id);
CREATE INDEX virtual_machines_created_at_id_idx ON virtual_machines (created_at, id);
CREATE INDEX virtual_machines_updated_at_id_idx ON virtual_machines (updated_at, id);
CREATE INDEX virtual_machines_node_id_name_idx ON virtual_machines (node_id, name);
CREATE INDEX virtual_machines_created_by_idx ON virtual_machines (created_by);

CREATE TABLE vm_snapshots (
  id          uuid           NOT NULL,
  vm_id       uuid           NOT NULL,
  name        varchar(63)    NOT NULL,
  description varchar(1000)  NOT NULL DEFAULT '',
  parent_id   uuid,
  state       snapshot_state NOT NULL DEFAULT 'CREATING',
  size_bytes  bigint         NOT NULL DEFAULT 0,
  vm_state    power_state    NOT NULL,
  created_by  uuid,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT vm_snapshots_pkey PRIMARY KEY (id),
  CONSTRAINT vm_snapshots_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES virtual_machines (id) ON DELETE CASCADE ON UPDATE CASCADE,
  -- NO ACTION, not RESTRICT: it is checked when the statement ends, so that a machine can take its whole tree with it
  CONSTRAINT vm_snapshots_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES vm_snapshots (id) ON DELETE NO ACTION ON UPDATE CASCADE,
  CONSTRAINT vm_snapshots_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT vm_snapshots_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT vm_snapshots_parent_id_check CHECK (parent_id <> id),
  CONSTRAINT vm_snapshots_size_bytes_check CHECK (size_bytes >= 0)
);
CREATE UNIQUE INDEX vm_snapshots_vm_id_name_key ON vm_snapshots (vm_id, name);
CREATE INDEX vm_snapshots_vm_id_created_at_id_idx ON vm_snapshots (vm_id, created_at, id);
CREATE INDEX vm_snapshots_parent_id_idx ON vm_snapshots (parent_id);
CREATE INDEX vm_snapshots_created_by_idx ON vm_snapshots (created_by);

-- ------------------------------------------------------------------ storage and images

CREATE TABLE storage_pools (
  id              uuid           NOT NULL,
  name            varchar(63)    NOT NULL,
  pool_type       pool_type      NOT NULL,
  description     varchar(1000)  NOT NULL DEFAULT '',
  spec            jsonb          NOT NULL DEFAULT '{}',
  phase           pool_phase     NOT NULL DEFAULT 'PENDING',
  capacity_bytes  bigint         NOT NULL DEFAULT 0,
  used_bytes      bigint         NOT NULL DEFAULT 0,
  available_bytes bigint         NOT NULL DEFAULT 0,
  created_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at      timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT storage_pools_pkey PRIMARY KEY (id),
  CONSTRAINT storage_pools_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT storage_pools_spec_check CHECK (jsonb_typeof(spec) = 'object'),
  CONSTRAINT storage_pools_used_bytes_check CHECK (used_bytes >= 0 AND used_bytes <= capacity_bytes),
  CONSTRAINT storage_pools_available_bytes_check CHECK (available_bytes >= 0 AND available_bytes <= capacity_bytes)
);
CREATE UNIQUE INDEX storage_pools_name_key ON storage_pools (name);
CREATE INDEX storage_pools_created_at_id_idx ON storage_pools (created_at, id);

CREATE TABLE volumes (
  id             uuid                NOT NULL,
  name           varchar(63)         NOT NULL,
  pool_id        uuid                NOT NULL,
  project_id     uuid                NOT NULL,
  size_bytes     bigint              NOT NULL,
  provisioning   volume_provisioning NOT NULL DEFAULT 'THIN',
  phase          volume_phase        NOT NULL DEFAULT 'CREATING',
  attached_vm_id uuid,
  path           varchar(1024)       NOT NULL DEFAULT '',
  created_at     timestamptz(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at     timestamptz(3)      NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT volumes_pkey PRIMARY KEY (id),
  CONSTRAINT volumes_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES storage_pools (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT volumes_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT volumes_attached_vm_id_fkey FOREIGN KEY (attached_vm_id) REFERENCES virtual_machines (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT volumes_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT volumes_size_bytes_check CHECK (size_bytes > 0),
  -- in use means attached; a volume grows, and can fail, both while attached and while not
  CONSTRAINT volumes_attached_vm_id_check CHECK (
    CASE
      WHEN phase = 'IN_USE' THEN attached_vm_id IS NOT NULL
      WHEN phase IN ('RESIZING', 'ERROR') THEN true
      ELSE attached_vm_id IS NULL
    END)
);
CREATE UNIQUE INDEX volumes_pool_id_name_key ON volumes (pool_id, name);
CREATE INDEX volumes_name_id_idx ON volumes (name, id);
CREATE INDEX volumes_created_at_id_idx ON volumes (created_at, id);
CREATE INDEX volumes_size_bytes_id_idx ON volumes (size_bytes, id);
CREATE INDEX volumes_project_id_name_idx ON volumes (project_id, name);
CREATE INDEX volumes_attached_vm_id_idx ON volumes (attached_vm_id);

CREATE TABLE images (
  id             uuid           NOT NULL,
  name           varchar(63)    NOT NULL,
  description    varchar(1000)  NOT NULL DEFAULT '',
  os_type        varchar(63)    NOT NULL,
  os_variant     varchar(63)    NOT NULL DEFAULT '',
  pool_id        uuid,
  size_bytes     bigint         NOT NULL DEFAULT 0,
  format         image_format   NOT NULL,
  path           varchar(1024)  NOT NULL DEFAULT '',
  phase          image_phase    NOT NULL DEFAULT 'PENDING',
  min_cpu        integer        NOT NULL DEFAULT 1,
  min_memory_mib integer        NOT NULL DEFAULT 256,
  min_disk_gib   integer        NOT NULL DEFAULT 1,
  public         boolean        NOT NULL DEFAULT false,
  project_id     uuid,
  created_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at     timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT images_pkey PRIMARY KEY (id),
  CONSTRAINT images_pool_id_fkey FOREIGN KEY (pool_id) REFERENCES storage_pools (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT images_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT images_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT images_size_bytes_check CHECK (size_bytes >= 0),
  CONSTRAINT images_minimums_check CHECK (min_cpu >= 0 AND min_memory_mib >= 0 AND min_disk_gib >= 0)
);
-- one name per scope: a project's own images, and those that belong to nobody
CREATE UNIQUE INDEX images_project_id_name_key ON images (project_id, name) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX images_shared_name_key ON images (name) WHERE project_id IS NULL;
CREATE INDEX images_name_id_idx ON images (name, id);
CREATE INDEX images_created_at_id_idx ON images (created_at, id);
CREATE INDEX images_pool_id_idx ON images (pool_id);
CREATE INDEX images_project_id_idx ON images (project_id);

-- ------------------------------------------------------------------ networks and security

CREATE TABLE virtual_networks (
  id               uuid           NOT NULL,
  name             varchar(63)    NOT NULL,
  network_type     network_type   NOT NULL,
  description      varchar(1000)  NOT NULL DEFAULT '',
  vlan_id          integer,
  cidr             inet,
  gateway          inet,
  dhcp_enabled     boolean        NOT NULL DEFAULT false,
  dhcp_range_start inet,
  dhcp_range_end   inet,
  dns_servers      varchar(45)[]  NOT NULL DEFAULT '{}',
  phase            network_phase  NOT NULL DEFAULT 'PENDING',
  created_at       timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at       timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT virtual_networks_pkey PRIMARY KEY (id),
  CONSTRAINT virtual_networks_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  CONSTRAINT virtual_networks_vlan_id_check CHECK (
    CASE WHEN network_type = 'VLAN' THEN vlan_id IS NOT NULL AND vlan_id BETWEEN 1 AND 4094 ELSE vlan_id IS NULL END),
  -- the network's own address: no host bits
  CONSTRAINT virtual_networks_cidr_check CHECK (cidr = network(cidr)),
  -- an address inside the network; without a network there is none
  CONSTRAINT virtual_networks_gateway_check CHECK (
    gateway IS NULL
    OR (cidr IS NOT NULL AND gateway << cidr AND masklen(gateway) = CASE family(gateway) WHEN 4 THEN 32 ELSE 128 END)),
  -- both ends or neither, in order, inside the network, and the gateway's address is never leased
  CONSTRAINT virtual_networks_dhcp_range_check CHECK (
    (dhcp_range_start IS NULL AND dhcp_range_end IS NULL)
    OR (cidr IS NOT NULL AND dhcp_range_start IS NOT NULL AND dhcp_range_end IS NOT NULL
      AND dhcp_range_start << cidr AND dhcp_range_end << cidr
      AND masklen(dhcp_range_start) = CASE family(cidr) WHEN 4 THEN 32 ELSE 128 END
      AND masklen(dhcp_range_end) = CASE family(cidr) WHEN 4 THEN 32 ELSE 128 END
      AND dhcp_range_start <= dhcp_range_end
      AND (gateway IS NULL OR gateway < dhcp_range_start OR gateway > dhcp_range_end)))
);
CREATE UNIQUE INDEX virtual_networks_name_key ON virtual_networks (name);
CREATE UNIQUE INDEX virtual_networks_vlan_id_key ON virtual_networks (vlan_id) WHERE network_type = 'VLAN';
CREATE INDEX virtual_networks_created_at_id_idx ON virtual_networks (created_at, id);

CREATE TABLE security_groups (
  id          uuid           NOT NULL,
  name        varchar(63)    NOT NULL,
  description varchar(1000)  NOT NULL DEFAULT '',
  project_id  uuid           NOT NULL,
  is_default  boolean        NOT NULL DEFAULT false,
  created_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at  timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT security_groups_pkey PRIMARY KEY (id),
  CONSTRAINT security_groups_project_id_fkey FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT security_groups_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$')
);
CREATE UNIQUE INDEX security_groups_project_id_name_key ON security_groups (project_id, name);
CREATE UNIQUE INDEX security_groups_default_key ON security_groups (project_id) WHERE is_default;
CREATE INDEX security_groups_name_id_idx ON security_groups (name, id);
CREATE INDEX security_groups_created_at_id_idx ON security_groups (created_at, id);

CREATE TABLE security_rules (
  id                uuid           NOT NULL,
  security_group_id uuid           NOT NULL,
  direction         rule_direction NOT NULL,
  protocol          rule_protocol  NOT NULL,
  port_range_min    integer,
  port_range_max    integer,
  remote_cidr       inet,
  remote_group_id   uuid,
  action            rule_action    NOT NULL DEFAULT 'ALLOW',
  priority          integer        NOT NULL DEFAULT 100,
  description       varchar(1000)  NOT NULL DEFAULT '',
  created_at        timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at        timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT security_rules_pkey PRIMARY KEY (id),
  CONSTRAINT security_rules_security_group_id_fkey FOREIGN KEY (security_group_id) REFERENCES security_groups (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT security_rules_remote_group_id_fkey FOREIGN KEY (remote_group_id) REFERENCES security_groups (id) ON DELETE RESTRICT ON UPDATE CASCADE,
  -- both ends or neither, and only for protocols that have ports
  CONSTRAINT security_rules_port_range_check CHECK (
    (port_range_min IS NULL AND port_range_max IS NULL)
    OR (protocol IN ('TCP', 'UDP') AND port_range_min IS NOT NULL AND port_range_max IS NOT NULL
      AND port_range_min BETWEEN 1 AND 65535 AND port_range_max BETWEEN 1 AND 65535
      AND port_range_min <= port_range_max)),
  CONSTRAINT security_rules_remote_check CHECK (num_nonnulls(remote_cidr, remote_group_id) <= 1),
  CONSTRAINT security_rules_remote_cidr_check CHECK (remote_cidr = network(remote_cidr)),
  CONSTRAINT security_rules_priority_check CHECK (priority >= 0)
);
CREATE INDEX security_rules_security_group_id_priority_id_idx ON security_rules (security_group_id, priority, id);
CREATE INDEX security_rules_remote_group_id_idx ON security_rules (remote_group_id);

CREATE TABLE vm_security_groups (
  vm_id             uuid NOT NULL,
  security_group_id uuid NOT NULL,
  CONSTRAINT vm_security_groups_pkey PRIMARY KEY (vm_id, security_group_id),
  CONSTRAINT vm_security_groups_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES virtual_machines (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT vm_security_groups_security_group_id_fkey FOREIGN KEY (security_group_id) REFERENCES security_groups (id) ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX vm_security_groups_security_group_id_idx ON vm_security_groups (security_group_id);

-- ------------------------------------------------------------------ operations

CREATE TABLE audit_log (
  id            uuid           NOT NULL,
  user_id       uuid,
  username      varchar(253)   NOT NULL,
  action        varchar(63)    NOT NULL,
  resource_type varchar(63)    NOT NULL,
  resource_id   uuid,
  resource_name varchar(253)   NOT NULL DEFAULT '',
  details       jsonb          NOT NULL DEFAULT '{}',
  ip_address    inet,
  user_agent    varchar(255)   NOT NULL DEFAULT '',
  created_at    timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT audit_log_pkey PRIMARY KEY (id),
  CONSTRAINT audit_log_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT audit_log_details_check CHECK (jsonb_typeof(details) = 'object')
);
CREATE INDEX audit_log_created_at_id_idx ON audit_log (created_at, id);
CREATE INDEX audit_log_resource_type_resource_id_created_at_idx ON audit_log (resource_type, resource_id, created_at);
CREATE INDEX audit_log_user_id_created_at_idx ON audit_log (user_id, created_at);

CREATE TABLE alerts (
  id              uuid              NOT NULL,
  severity        alert_severity    NOT NULL,
  title           varchar(253)      NOT NULL,
  message         varchar(4000)     NOT NULL DEFAULT '',
  source_type     alert_source_type NOT NULL,
  source_id       uuid,
  source_name     varchar(253)      NOT NULL DEFAULT '',
  acknowledged    boolean           NOT NULL DEFAULT false,
  acknowledged_by uuid,
  acknowledged_at timestamptz(3),
  resolved        boolean           NOT NULL DEFAULT false,
  resolved_at     timestamptz(3),
  created_at      timestamptz(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at      timestamptz(3)    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT alerts_pkey PRIMARY KEY (id),
  CONSTRAINT alerts_acknowledged_by_fkey FOREIGN KEY (acknowledged_by) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  -- who acknowledged may be forgotten with the user; when it happened may not
  CONSTRAINT alerts_acknowledged_check CHECK (acknowledged = (acknowledged_at IS NOT NULL) AND (acknowledged OR acknowledged_by IS NULL)),
  CONSTRAINT alerts_resolved_check CHECK (resolved = (resolved_at IS NOT NULL))
);
CREATE INDEX alerts_created_at_id_idx ON alerts (created_at, id);
CREATE INDEX alerts_severity_id_idx ON alerts (severity, id);
CREATE INDEX alerts_acknowledged_by_idx ON alerts (acknowledged_by);

CREATE TABLE drs_recommendations (
  id                  uuid                    NOT NULL,
  cluster_id          uuid                    NOT NULL,
  priority            drs_priority            NOT NULL,
  recommendation_type drs_recommendation_type NOT NULL,
  reason              varchar(1000)           NOT NULL,
  vm_id               uuid,
  source_node_id      uuid,
  target_node_id      uuid,
  impact_cpu          double precision        NOT NULL DEFAULT 0,
  impact_memory       double precision        NOT NULL DEFAULT 0,
  estimated_duration  integer                 NOT NULL DEFAULT 0,
  status              drs_status              NOT NULL DEFAULT 'PENDING',
  applied_at          timestamptz(3),
  applied_by          uuid,
  created_at          timestamptz(3)          NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at          timestamptz(3)          NOT NULL DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT drs_recommendations_pkey PRIMARY KEY (id),
  CONSTRAINT drs_recommendations_cluster_id_fkey FOREIGN KEY (cluster_id) REFERENCES clusters (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT drs_recommendations_vm_id_fkey FOREIGN KEY (vm_id) REFERENCES virtual_machines (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT drs_recommendations_source_node_id_fkey FOREIGN KEY (source_node_id) REFERENCES nodes (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT drs_recommendations_target_node_id_fkey FOREIGN KEY (target_node_id) REFERENCES nodes (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT drs_recommendations_applied_by_fkey FOREIGN KEY (applied_by) REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT drs_recommendations_estimated_duration_check CHECK (estimated_duration >= 0),
  CONSTRAINT drs_recommendations_target_node_id_check CHECK (target_node_id <> source_node_id)
);
CREATE INDEX drs_recommendations_created_at_id_idx ON drs_recommendations (created_at, id);
CREATE INDEX drs_recommendations_priority_id_idx ON drs_recommendations (priority, id);
CREATE INDEX drs_recommendations_cluster_id_status_idx ON drs_recommendations (cluster_id, status);
CREATE INDEX drs_recommendations_vm_id_idx ON drs_recommendations (vm_id);
CREATE INDEX drs_recommendations_source_node_id_idx ON drs_recommendations (source_node_id);
CREATE INDEX drs_recommendations_target_node_id_idx ON drs_recommendations (target_node_id);
CREATE INDEX drs_recommendations_applied_by_idx ON drs_recommendations (applied_by);

-- ------------------------------------------------------------------ the default project
-- Fixed ids, so that every installation agrees on them. Inserted once, with the tables, never again at a later start:
-- an administrator may rename or delete it for good.

INSERT INTO projects (id, name, description)
VALUES ('00000000-0000-7000-8000-000000000001', 'default', 'For everything that belongs to no other project.')
ON CONFLICT DO NOTHING;

INSERT INTO security_groups (id, name, description, project_id, is_default)
VALUES ('00000000-0000-7000-8000-000000000002', 'default', 'The default group of this project.',
        '00000000-0000-7000-8000-000000000001', true)
ON CONFLICT DO NOTHING;
