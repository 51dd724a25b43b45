/**
 * For each table a row that is accepted, and for each CHECK and unique index a row that is refused by it.
 * Values are SQL expressions. Rows of `BASE` exist; the others are tried one by one and rolled back.
 */
export type Row = Readonly<Record<string, string>>;

const ID = 'gen_random_uuid()';
/** Fresh and within the pattern of names. */
const NAME = `'n' || substr(md5(random()::text), 1, 20)`;

/** Ids of the rows that exist. */
export const base = {
  project: `'00000000-0000-7000-8000-000000000001'::uuid`,
  user: `'c0000000-0000-7000-8000-000000000001'::uuid`,
  cluster: `'c0000000-0000-7000-8000-000000000002'::uuid`,
  node: `'c0000000-0000-7000-8000-000000000003'::uuid`,
  vm: `'c0000000-0000-7000-8000-000000000004'::uuid`,
  pool: `'c0000000-0000-7000-8000-000000000005'::uuid`,
  group: `'c0000000-0000-7000-8000-000000000006'::uuid`,
  snapshot: `'c0000000-0000-7000-8000-000000000007'::uuid`,
} as const;

/** A row of each table that nothing is wrong with. */
export const ACCEPTED: Readonly<Record<string, Row>> = {
  projects: { id: ID, name: NAME },
  users: { id: ID, username: NAME, email: `${NAME} || '@example.org'`, password_hash: `'x'` },
  project_members: { project_id: base.project, user_id: base.user },
  api_tokens: {
    id: ID,
    name: `'ci'`,
    user_id: base.user,
    token_hash: `md5(random()::text) || md5(random()::text)`,
  },
  clusters: { id: ID, name: NAME },
  nodes: { id: ID, hostname: NAME, management_ip: `'192.0.2.1'`, cluster_id: base.cluster },
  virtual_machines: { id: ID, name: NAME, project_id: base.project },
  vm_snapshots: { id: ID, vm_id: base.vm, name: NAME, vm_state: `'RUNNING'` },
  storage_pools: { id: ID, name: NAME, pool_type: `'NFS'` },
  volumes: { id: ID, name: NAME, pool_id: base.pool, project_id: base.project, size_bytes: '1' },
  images: { id: ID, name: NAME, os_type: `'linux'`, format: `'RAW'` },
  virtual_networks: { id: ID, name: NAME, network_type: `'OVERLAY'`, cidr: `'10.1.0.0/24'` },
  security_groups: { id: ID, name: NAME, project_id: base.project },
  security_rules: {
    id: ID,
    security_group_id: base.group,
    direction: `'INGRESS'`,
    protocol: `'TCP'`,
  },
  vm_security_groups: { vm_id: base.vm, security_group_id: base.group },
  network_interfaces: {
    id: ID,
    vm_id: base.vm,
    name: NAME,
    network_id: base.user,
    mac_address: `'52:54:00' || regexp_replace(substr(md5(random()::text), 1, 6), '(..)', ':\\1', 'g')`,
  },
  ip_addresses: { network_id: base.user, address: `'10.1.0.9'`, interface_id: base.user },
  interface_security_groups: { interface_id: base.user, security_group_id: base.group },
  audit_log: { id: ID, username: `'u'`, action: `'a'`, resource_type: `'X'` },
  alerts: { id: ID, severity: `'INFO'`, title: `'t'`, source_type: `'SYSTEM'`, kind: NAME },
  drs_recommendations: {
    id: ID,
    cluster_id: base.cluster,
    priority: `'LOW'`,
    recommendation_type: `'MIGRATE'`,
    reason: `''`,
  },
  tasks: {
    id: ID,
    operation: `'START'`,
    resource_type: `'VirtualMachine'`,
    resource_id: base.vm,
    resource_name: `'vm'`,
    generation: '1',
    created_by_name: `'u'`,
    deadline_at: 'now()',
  },
  image_shares: { image_id: base.user, project_id: base.project },
  idempotency_keys: {
    principal: `'u'`,
    key: NAME,
    command: `'c'`,
    request_hash: `'h'`,
    expires_at: 'now()',
  },
  leadership: { name: NAME, cluster: `'c'`, token: '7', holder: `'h'` },
};

/** The rows that exist before every case, in an order that foreign keys allow. */
export const BASE: readonly (readonly [table: string, values: Row])[] = [
  ['users', { id: base.user, username: `'ada'`, email: `'ada@example.org'` }],
  ['clusters', { id: base.cluster, name: `'production'` }],
  ['nodes', { id: base.node, hostname: `'host-1.example.org'` }],
  ['virtual_machines', { id: base.vm, name: `'web'` }],
  ['storage_pools', { id: base.pool, name: `'ceph'`, capacity_bytes: '100' }],
  ['security_groups', { id: base.group, name: `'web'` }],
  ['vm_snapshots', { id: base.snapshot, name: `'before'` }],
  ['volumes', { id: base.user, name: `'root'` }],
  ['images', { id: base.user, name: `'debian-12'` }],
  ['images', { id: base.vm, name: `'own'`, project_id: base.project }],
  ['virtual_networks', { id: base.user, name: `'lan'`, network_type: `'VLAN'`, vlan_id: '10' }],
  ['security_rules', { id: base.user }],
  ['vm_security_groups', {}],
  ['network_interfaces', { id: base.user, name: `'eth0'`, mac_address: `'52:54:00:00:00:01'` }],
  ['ip_addresses', { address: `'10.1.0.5'` }],
  ['interface_security_groups', {}],
  ['project_members', {}],
  ['api_tokens', { id: base.user, token_hash: `repeat('a', 64)` }],
  ['audit_log', { id: base.user, user_id: base.user }],
  ['alerts', { id: base.user, source_type: `'HOST'`, kind: `'disk-full'` }],
  ['drs_recommendations', { id: base.user }],
  [
    'tasks',
    {
      ...{ id: base.user, vm_id: base.vm, status: `'RUNNING'` },
      ...{ volume_id: base.user, image_id: base.user, pool_id: base.pool },
    },
  ],
  ['image_shares', {}],
  ['idempotency_keys', { key: `'k'` }],
  ['leadership', { name: `'l'` }],
];

type Cases = Readonly<Record<string, readonly Row[]>>;

const BAD_NAMES = [`''`, `'Web'`, `'1st'`, `'-x'`, `'a_b'`, `'a b'`, `'ä'`, `E'web\\n'`].map(
  (name) => ({ name }),
);
const BAD_LABELS = [
  `'[]'`,
  `'"text"'`,
  `'null'`,
  `'{"a": 1}'`,
  `'{"a": null}'`,
  `'{"a": ["b"]}'`,
].map((labels) => ({ labels }));
const BAD_OBJECTS = [`'[]'`, `'"text"'`, `'1'`, `'null'`];
const BAD_AMOUNTS = [
  ...BAD_OBJECTS,
  `'{"vcpus": -1}'`,
  `'{"vcpus": "4"}'`,
  `'{"vcpus": null}'`,
  `'{"vcpus": [1]}'`,
];
const objects = (column: string): Row[] => BAD_OBJECTS.map((value) => ({ [column]: value }));
const amounts = (column: string): Row[] => BAD_AMOUNTS.map((value) => ({ [column]: value }));
const VERSION = [{ version: '0' }];

/** By constraint: what it must refuse. The part before the constraint's own word is the table's name. */
export const REFUSED: Readonly<Record<string, Cases>> = {
  projects: {
    projects_pkey: [{ id: base.project }],
    projects_name_key: [{ name: `'default'` }],
    projects_name_check: BAD_NAMES,
    projects_quota_check: [
      ...objects('quota'),
      { quota: `'{"vcpus": -1}'` },
      { quota: `'{"vcpus": "many"}'` },
    ],
    projects_usage_check: [
      'virtual_machines',
      'vcpus',
      'memory_mib',
      'storage_gib',
      'volumes',
      'snapshots',
    ].map((of) => ({ [`used_${of}`]: '-1' })),
    projects_version_check: VERSION,
  },
  users: {
    users_pkey: [{ id: base.user }],
    users_username_key: [{ username: `'ada'` }],
    users_email_key: [{ email: `'ada@example.org'` }],
    users_username_check: [`''`, `'Ada'`, `'1ada'`, `'.ada'`, `'a da'`, `'a@b'`].map(
      (username) => ({ username }),
    ),
    users_email_check: [
      `'Ada@example.org'`,
      `'ada'`,
      `'@example.org'`,
      `'ada@'`,
      `'a b@example.org'`,
      `'a@b@c'`,
    ].map((email) => ({ email })),
    users_version_check: VERSION,
  },
  project_members: { project_members_pkey: [{}] },
  api_tokens: {
    api_tokens_pkey: [{ id: base.user }],
    api_tokens_token_hash_key: [{ token_hash: `repeat('a', 64)` }],
    api_tokens_owner_check: [{ user_id: 'NULL' }, { node_id: base.node }],
    api_tokens_name_check: [{ name: `''` }],
    api_tokens_token_hash_check: [
      { token_hash: `'qx_plain-secret'` },
      { token_hash: `repeat('A', 64)` },
    ],
  },
  clusters: {
    clusters_pkey: [{ id: base.cluster }],
    clusters_name_key: [{ name: `'production'` }],
    clusters_name_check: BAD_NAMES,
    clusters_version_check: VERSION,
  },
  nodes: {
    nodes_pkey: [{ id: base.node }],
    nodes_hostname_key: [{ hostname: `'host-1.example.org'` }],
    nodes_hostname_check: [
      `''`,
      `'Host'`,
      `'-host'`,
      `'host-'`,
      `'a..b'`,
      `'.a'`,
      `'a.'`,
      `'a_b'`,
      `'a b'`,
      `repeat('a', 64)`,
    ].map((hostname) => ({ hostname })),
    nodes_management_ip_check: [
      { management_ip: `'192.0.2.0/24'` },
      { management_ip: `'2001:db8::/64'` },
    ],
    nodes_labels_check: BAD_LABELS,
    nodes_spec_check: objects('spec'),
    nodes_conditions_check: [{ conditions: `'{}'` }, { conditions: `'null'` }],
    nodes_allocatable_check: amounts('allocatable'),
    nodes_allocated_check: [
      ...BAD_OBJECTS.map((allocated) => ({ allocated })),
      { allocated: `'{}'` },
      { allocated: `'{"vcpus": 1, "memoryMib": 1}'` },
      { allocated: `'{"vcpus": -1, "memoryMib": 0, "storageGib": 0}'` },
      { allocated: `'{"vcpus": null, "memoryMib": 0, "storageGib": 0}'` },
    ],
    nodes_system_info_check: objects('system_info'),
    nodes_report_sequence_check: [{ report_sequence: '-1' }],
    nodes_version_check: VERSION,
  },
  virtual_machines: {
    virtual_machines_pkey: [{ id: base.vm }],
    virtual_machines_project_id_name_key: [{ name: `'web'` }],
    virtual_machines_name_check: BAD_NAMES,
    virtual_machines_labels_check: BAD_LABELS,
    virtual_machines_hardware_version_check: [{ hardware_version: '0' }],
    virtual_machines_spec_check: objects('spec'),
    virtual_machines_resources_check: amounts('resources'),
    virtual_machines_guest_agent_check: objects('guest_agent'),
    virtual_machines_generation_check: [{ generation: '0' }],
    virtual_machines_observed_generation_check: [{ observed_generation: '-1' }],
    virtual_machines_capacity_claimed_check: [{ capacity_claimed: 'true' }],
    virtual_machines_deleted_at_check: [
      { deleted_at: 'now()', capacity_claimed: 'true', node_id: base.node },
    ],
    virtual_machines_version_check: VERSION,
  },
  vm_snapshots: {
    vm_snapshots_pkey: [{ id: base.snapshot }],
    vm_snapshots_vm_id_name_key: [{ name: `'before'` }],
    vm_snapshots_name_check: BAD_NAMES,
    vm_snapshots_parent_id_check: [{ id: base.project, parent_id: base.project }],
    vm_snapshots_size_bytes_check: [{ size_bytes: '-1' }],
    vm_snapshots_version_check: VERSION,
  },
  storage_pools: {
    storage_pools_pkey: [{ id: base.pool }],
    storage_pools_name_key: [{ name: `'ceph'` }],
    storage_pools_name_check: BAD_NAMES,
    storage_pools_spec_check: objects('spec'),
    storage_pools_used_bytes_check: [
      { used_bytes: '-1' },
      { used_bytes: '101', capacity_bytes: '100' },
    ],
    storage_pools_available_bytes_check: [
      { available_bytes: '-1' },
      { available_bytes: '101', capacity_bytes: '100' },
    ],
    storage_pools_claimed_bytes_check: [{ claimed_bytes: '-1' }],
    storage_pools_labels_check: BAD_LABELS,
    storage_pools_version_check: VERSION,
  },
  volumes: {
    volumes_pkey: [{ id: base.user }],
    volumes_pool_id_name_key: [{ name: `'root'` }],
    volumes_name_check: BAD_NAMES,
    volumes_size_bytes_check: [{ size_bytes: '0' }, { size_bytes: '-1' }],
    volumes_attached_vm_id_check: [
      { phase: `'IN_USE'` },
      ...['READY', 'DELETING'].map((phase) => ({
        phase: `'${phase}'`,
        attached_vm_id: base.vm,
      })),
    ],
    volumes_labels_check: BAD_LABELS,
    volumes_spec_check: objects('spec'),
    volumes_actual_size_bytes_check: [{ actual_size_bytes: '-1' }],
    volumes_snapshot_count_check: [{ snapshot_count: '-1' }],
    volumes_claimed_bytes_check: [{ claimed_bytes: '-1' }],
    volumes_parent_id_check: [{ id: base.project, parent_id: base.project }],
    volumes_version_check: VERSION,
  },
  images: {
    images_pkey: [{ id: base.user }],
    images_shared_name_key: [{ name: `'debian-12'` }],
    images_project_id_name_key: [{ name: `'own'`, project_id: base.project }],
    images_name_check: BAD_NAMES,
    images_size_bytes_check: [{ size_bytes: '-1' }],
    images_minimums_check: [{ min_cpu: '-1' }, { min_memory_mib: '-1' }, { min_disk_gib: '-1' }],
    images_version_check: VERSION,
  },
  virtual_networks: {
    virtual_networks_pkey: [{ id: base.user }],
    virtual_networks_name_key: [{ name: `'lan'` }],
    virtual_networks_vlan_id_key: [{ network_type: `'VLAN'`, vlan_id: '10' }],
    virtual_networks_name_check: BAD_NAMES,
    virtual_networks_vlan_id_check: [
      { network_type: `'VLAN'` },
      { network_type: `'VLAN'`, vlan_id: '0' },
      { network_type: `'VLAN'`, vlan_id: '4095' },
      { network_type: `'EXTERNAL'`, vlan_id: '20' },
    ],
    virtual_networks_cidr_check: [{ cidr: `'10.1.0.1/24'` }],
    virtual_networks_gateway_check: [
      { cidr: 'NULL', gateway: `'10.1.0.1'` },
      { gateway: `'10.2.0.1'` },
      { gateway: `'10.1.0.0/25'` },
      { gateway: `'2001:db8::1'` },
    ],
    virtual_networks_dhcp_range_check: [
      { dhcp_range_start: `'10.1.0.10'` },
      { dhcp_range_end: `'10.1.0.10'` },
      { dhcp_range_start: `'10.1.0.20'`, dhcp_range_end: `'10.1.0.10'` },
      { dhcp_range_start: `'10.0.0.10'`, dhcp_range_end: `'10.1.0.20'` },
      { dhcp_range_start: `'10.1.0.10'`, dhcp_range_end: `'10.1.1.20'` },
      { dhcp_range_start: `'10.1.0.0/30'`, dhcp_range_end: `'10.1.0.20'` },
      { cidr: 'NULL', dhcp_range_start: `'10.1.0.10'`, dhcp_range_end: `'10.1.0.20'` },
      { gateway: `'10.1.0.15'`, dhcp_range_start: `'10.1.0.10'`, dhcp_range_end: `'10.1.0.20'` },
      { gateway: `'10.1.0.20'`, dhcp_range_start: `'10.1.0.10'`, dhcp_range_end: `'10.1.0.20'` },
    ],
    virtual_networks_mtu_check: [{ mtu: '575' }, { mtu: '9217' }],
    virtual_networks_version_check: VERSION,
  },
  security_groups: {
    security_groups_pkey: [{ id: base.group }],
    security_groups_project_id_name_key: [{ name: `'web'` }],
    security_groups_default_key: [{ is_default: 'true' }],
    security_groups_name_check: BAD_NAMES,
    security_groups_version_check: VERSION,
  },
  security_rules: {
    security_rules_pkey: [{ id: base.user }],
    security_rules_port_range_check: [
      { port_range_min: '80' },
      { port_range_max: '80' },
      { port_range_min: '443', port_range_max: '80' },
      { port_range_min: '0', port_range_max: '80' },
      { port_range_min: '80', port_range_max: '65536' },
      { protocol: `'ICMP'`, port_range_min: '80', port_range_max: '80' },
      { protocol: `'ANY'`, port_range_min: '80', port_range_max: '80' },
    ],
    security_rules_remote_check: [{ remote_cidr: `'10.0.0.0/8'`, remote_group_id: base.group }],
    security_rules_remote_cidr_check: [{ remote_cidr: `'10.0.0.1/8'` }],
    security_rules_priority_check: [{ priority: '-1' }],
    security_rules_version_check: VERSION,
  },
  vm_security_groups: { vm_security_groups_pkey: [{}] },
  network_interfaces: {
    network_interfaces_pkey: [{ id: base.user }],
    network_interfaces_vm_id_name_key: [{ name: `'eth0'` }],
    network_interfaces_mac_address_key: [{ mac_address: `'52:54:00:00:00:01'` }],
    network_interfaces_name_check: BAD_NAMES,
    network_interfaces_mac_address_check: [
      `'52:54:00:00:00'`,
      `'52-54-00-00-00-02'`,
      `'52:54:00:00:00:AA'`,
      `'53:54:00:00:00:02'`,
      `'52:54:00:00:00:0g'`,
    ].map((mac_address) => ({ mac_address })),
    network_interfaces_position_check: [{ position: '-1' }],
  },
  ip_addresses: {
    ip_addresses_pkey: [{ address: `'10.1.0.5'` }, { address: `'10.1.0.5/32'` }],
    ip_addresses_address_check: [{ address: `'10.1.0.6/24'` }, { address: `'2001:db8::/64'` }],
  },
  interface_security_groups: { interface_security_groups_pkey: [{}] },
  audit_log: {
    audit_log_pkey: [{ id: base.user }],
    audit_log_details_check: objects('details'),
  },
  alerts: {
    alerts_pkey: [{ id: base.user }],
    alerts_open_key: [{ source_type: `'HOST'`, kind: `'disk-full'` }],
    alerts_kind_check: [{ kind: `''` }],
    alerts_count_check: [{ count: '0' }],
    alerts_acknowledged_check: [
      { acknowledged: 'true' },
      { acknowledged_at: 'now()' },
      { acknowledged_by: base.user },
    ],
    alerts_resolved_check: [{ resolved: 'true' }, { resolved_at: 'now()' }],
    alerts_version_check: VERSION,
  },
  drs_recommendations: {
    drs_recommendations_pkey: [{ id: base.user }],
    drs_recommendations_estimated_duration_check: [{ estimated_duration: '-1' }],
    drs_recommendations_target_node_id_check: [
      { source_node_id: base.node, target_node_id: base.node },
    ],
    drs_recommendations_version_check: VERSION,
  },
  tasks: {
    tasks_pkey: [{ id: base.user }],
    tasks_unfinished_vm_id_key: [{ vm_id: base.vm }, { vm_id: base.vm, status: `'RUNNING'` }],
    tasks_unfinished_volume_id_key: [{ volume_id: base.user }],
    tasks_unfinished_image_id_key: [{ image_id: base.user }],
    tasks_unfinished_pool_id_key: [{ pool_id: base.pool, status: `'RUNNING'` }],
    tasks_details_check: objects('details'),
    tasks_result_check: [{ result_type: `'Volume'` }, { result_id: base.user }],
    tasks_progress_percent_check: [{ progress_percent: '-1' }, { progress_percent: '101' }],
    tasks_generation_check: [{ generation: '-1' }],
    tasks_finished_at_check: [
      { status: `'SUCCEEDED'` },
      { status: `'TIMED_OUT'` },
      { status: `'PENDING'`, finished_at: 'now()' },
    ],
  },
  image_shares: { image_shares_pkey: [{}] },
  idempotency_keys: {
    idempotency_keys_pkey: [{ key: `'k'` }],
    idempotency_keys_key_check: [{ key: `''` }, { principal: `''` }],
    idempotency_keys_result_check: objects('result'),
  },
  leadership: {
    leadership_pkey: [{ name: `'l'` }],
    leadership_token_check: [{ token: '0' }, { token: '-1' }],
    leadership_name_check: [{ name: `''` }, { cluster: `''` }],
  },
};

/** Rows at the edge of what is allowed. */
export const EDGES: readonly (readonly [table: string, values: Row])[] = [
  ['projects', { name: `'a'` }],
  ['projects', { name: `'a' || repeat('-', 62)` }],
  ['projects', { quota: `'{"vcpus": null, "memoryMib": 0, "storageGib": 10}'` }],
  ['users', { username: `'a._-9'` }],
  ['api_tokens', { user_id: 'NULL', node_id: base.node }],
  ['api_tokens', { token_hash: `repeat('A', 43)` }],
  ['nodes', { hostname: `'9'` }],
  ['nodes', { hostname: `'a.b-c.example.org'` }],
  ['nodes', { hostname: `repeat('a', 63)` }],
  ['nodes', { management_ip: `'2001:db8::1'` }],
  ['nodes', { labels: `'{"rack": "", "ünï": "ö"}'` }],
  ['virtual_machines', { capacity_claimed: 'true', node_id: base.node }],
  ['storage_pools', { capacity_bytes: '100', used_bytes: '100', available_bytes: '0' }],
  ['volumes', { phase: `'IN_USE'`, attached_vm_id: base.vm }],
  ['volumes', { phase: `'RESIZING'`, attached_vm_id: base.vm }],
  ['volumes', { phase: `'RESIZING'` }],
  ['volumes', { phase: `'CREATING'`, attached_vm_id: base.vm }],
  ['virtual_machines', { name: `'web'`, deleted_at: 'now()' }],
  ['volumes', { phase: `'ERROR'`, attached_vm_id: base.vm }],
  ['images', { name: `'debian-12'`, project_id: base.project }],
  ['virtual_networks', { network_type: `'VLAN'`, vlan_id: '1' }],
  ['virtual_networks', { network_type: `'VLAN'`, vlan_id: '4094' }],
  [
    'virtual_networks',
    {
      cidr: `'2001:db8::/64'`,
      gateway: `'2001:db8::1'`,
      dhcp_range_start: `'2001:db8::10'`,
      dhcp_range_end: `'2001:db8::ff'`,
    },
  ],
  [
    'virtual_networks',
    {
      gateway: `'10.1.0.9'`,
      dhcp_range_start: `'10.1.0.10'`,
      dhcp_range_end: `'10.1.0.10'`,
      mtu: '9216',
    },
  ],
  [
    'security_rules',
    { protocol: `'UDP'`, port_range_min: '1', port_range_max: '65535', remote_cidr: `'0.0.0.0/0'` },
  ],
  ['security_rules', { protocol: `'ICMP'`, remote_group_id: base.group }],
  ['alerts', { source_type: `'HOST'`, kind: `'disk-full'`, source_id: base.node }],
  [
    'alerts',
    { source_type: `'HOST'`, kind: `'disk-full'`, resolved: 'true', resolved_at: 'now()' },
  ],
  ['alerts', { acknowledged: 'true', acknowledged_at: 'now()' }],
  ['tasks', { vm_id: base.vm, status: `'FAILED'`, finished_at: 'now()' }],
  ['tasks', {}],
];
