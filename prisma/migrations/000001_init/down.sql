-- Children before parents; every table takes its indexes and checks with it. Types last: columns use them.

DROP TABLE
  drs_recommendations, alerts, audit_log, vm_security_groups, security_rules, security_groups, virtual_networks,
  images, volumes, storage_pools, vm_snapshots, virtual_machines, nodes, clusters, users, projects;

DROP TYPE
  drs_status, drs_recommendation_type, drs_priority, alert_source_type, alert_severity, rule_action, rule_protocol,
  rule_direction, network_phase, network_type, image_phase, image_format, volume_phase, volume_provisioning,
  pool_phase, pool_type, snapshot_state, power_state, node_phase, drs_automation, user_role;
