-- indexes, foreign keys and checks go with their columns; types last

ALTER TABLE alerts DROP COLUMN version, DROP COLUMN project_id, DROP COLUMN last_seen_at, DROP COLUMN count, DROP COLUMN kind;
ALTER TABLE virtual_networks DROP COLUMN version, DROP COLUMN project_id, DROP COLUMN mtu;
ALTER TABLE virtual_machines
  DROP COLUMN version,
  DROP COLUMN deletion_protected,
  DROP COLUMN capacity_claimed,
  DROP COLUMN cluster_id,
  DROP COLUMN observed_generation,
  DROP COLUMN generation,
  DROP COLUMN desired_state;
ALTER TABLE nodes DROP COLUMN version, DROP COLUMN report_sequence, DROP COLUMN agent_instance, DROP COLUMN intent;
ALTER TABLE projects
  DROP COLUMN version,
  DROP COLUMN used_snapshots,
  DROP COLUMN used_volumes,
  DROP COLUMN used_storage_gib,
  DROP COLUMN used_memory_mib,
  DROP COLUMN used_vcpus,
  DROP COLUMN used_virtual_machines;
ALTER TABLE drs_recommendations DROP COLUMN version;
ALTER TABLE security_rules DROP COLUMN version;
ALTER TABLE security_groups DROP COLUMN version;
ALTER TABLE images DROP COLUMN version;
ALTER TABLE volumes DROP COLUMN version;
ALTER TABLE storage_pools DROP COLUMN version;
ALTER TABLE vm_snapshots DROP COLUMN version;
ALTER TABLE clusters DROP COLUMN version;
ALTER TABLE users DROP COLUMN version;

DROP TYPE desired_state, node_intent;
