-- Rows as the first release wrote them, under 000001 alone: the later migrations must describe them rightly.
INSERT INTO projects (id, name) VALUES ('10000000-0000-7000-8000-000000000001', 'shop');
INSERT INTO users (id, username, email, password_hash)
VALUES ('20000000-0000-7000-8000-000000000001', 'ada', 'ada@example.org', 'hash');
INSERT INTO clusters (id, name) VALUES ('30000000-0000-7000-8000-000000000001', 'production');
INSERT INTO nodes (id, hostname, management_ip, cluster_id, phase, allocated) VALUES
  ('40000000-0000-7000-8000-000000000001', 'host-1', '192.0.2.1', '30000000-0000-7000-8000-000000000001', 'READY',
   '{"vcpus": 99, "memoryMib": 99, "storageGib": 99}'),
  ('40000000-0000-7000-8000-000000000002', 'host-2', '192.0.2.2', '30000000-0000-7000-8000-000000000001', 'MAINTENANCE',
   '{"vcpus": 0, "memoryMib": 0, "storageGib": 0}');
INSERT INTO virtual_machines (id, name, project_id, power_state, node_id, resources, created_by) VALUES
  ('50000000-0000-7000-8000-000000000001', 'web', '10000000-0000-7000-8000-000000000001', 'RUNNING',
   '40000000-0000-7000-8000-000000000001', '{"vcpus": 2, "memoryMib": 4096, "storageGib": 20}', '20000000-0000-7000-8000-000000000001'),
  ('50000000-0000-7000-8000-000000000002', 'db', '10000000-0000-7000-8000-000000000001', 'UNKNOWN',
   '40000000-0000-7000-8000-000000000001', '{"vcpus": 4, "memoryMib": 8192, "storageGib": 40}', NULL),
  ('50000000-0000-7000-8000-000000000003', 'spare', '10000000-0000-7000-8000-000000000001', 'STOPPED',
   '40000000-0000-7000-8000-000000000002', '{"vcpus": 1, "memoryMib": 2048}', NULL);
INSERT INTO vm_snapshots (id, vm_id, name, vm_state)
VALUES ('60000000-0000-7000-8000-000000000001', '50000000-0000-7000-8000-000000000001', 'before', 'RUNNING');
INSERT INTO storage_pools (id, name, pool_type, capacity_bytes, used_bytes)
VALUES ('70000000-0000-7000-8000-000000000001', 'ceph', 'CEPH_RBD', 1099511627776, 32212254721);
INSERT INTO volumes (id, name, pool_id, project_id, size_bytes, phase, attached_vm_id) VALUES
  ('80000000-0000-7000-8000-000000000001', 'root', '70000000-0000-7000-8000-000000000001',
   '10000000-0000-7000-8000-000000000001', 32212254720, 'IN_USE', '50000000-0000-7000-8000-000000000001'),
  ('80000000-0000-7000-8000-000000000002', 'tiny', '70000000-0000-7000-8000-000000000001',
   '10000000-0000-7000-8000-000000000001', 1, 'READY', NULL);
INSERT INTO images (id, name, os_type, format) VALUES ('90000000-0000-7000-8000-000000000001', 'debian-12', 'linux', 'QCOW2');
INSERT INTO alerts (id, severity, title, source_type, source_id, resolved, resolved_at) VALUES
  ('a0000000-0000-7000-8000-000000000001', 'WARNING', 'hot', 'VM', '50000000-0000-7000-8000-000000000001', false, NULL),
  ('a0000000-0000-7000-8000-000000000002', 'WARNING', 'again', 'VM', '50000000-0000-7000-8000-000000000001', false, NULL),
  ('a0000000-0000-7000-8000-000000000003', 'INFO', 'over', 'SYSTEM', NULL, true, now());
-- written in another order than they happened
INSERT INTO audit_log (id, user_id, username, action, resource_type, created_at) VALUES
  ('b0000000-0000-7000-8000-000000000002', NULL, 'ada', 'second', 'VirtualMachine', '2026-01-02T00:00:00Z'),
  ('b0000000-0000-7000-8000-000000000001', '20000000-0000-7000-8000-000000000001', 'ada', 'first', 'VirtualMachine', '2026-01-01T00:00:00Z');
