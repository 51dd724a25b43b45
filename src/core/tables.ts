/** Which types of the API show which tables. What the rows of a table say must be out of date for all of its types at once. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  alerts: ['Alert'],
  api_tokens: ['ApiToken'],
  audit_log: ['AuditEntry'],
  audit_seals: [], // entries are no other for being sealed
  change_feed: [],
  clusters: ['Cluster'],
  drs_recommendations: ['DrsRecommendation'],
  enrolment_tokens: ['EnrolmentToken'],
  enrolments: [],
  idempotency_keys: [],
  image_shares: ['Image'],
  images: ['Image'],
  interface_security_groups: ['NetworkInterface', 'SecurityGroup'],
  ip_addresses: ['NetworkInterface', 'VirtualNetwork'],
  leadership: [],
  network_interfaces: ['NetworkInterface'],
  nodes: ['HypervisorNode'],
  project_members: ['ProjectMember'],
  projects: ['Project'],
  security_groups: ['SecurityGroup'],
  security_rules: ['SecurityRule'],
  sessions: ['Session'],
  storage_pools: ['StoragePool'],
  tasks: ['Task'],
  unheard_instances: [],
  users: ['User'],
  virtual_machines: ['VirtualMachine'],
  virtual_networks: ['VirtualNetwork'],
  vm_security_groups: ['SecurityGroup', 'VirtualMachine'],
  vm_snapshots: ['VirtualMachineSnapshot'],
  volumes: ['Volume'],
};

/** Every type that has a generation. */
export const TYPES_WITH_TABLES: ReadonlySet<string> = new Set(Object.values(TYPES).flat());

/** The types that show a table; null for a word that is none of our tables. A test knows the whole database. */
export function typesOfTable(table: string): readonly string[] | null {
  return TYPES[table] ?? null;
}

export function typesOfTables(tables: ReadonlySet<string>): Set<string> {
  return new Set([...tables].flatMap((table) => typesOfTable(table) ?? []));
}
