/** Who may do what: the one table of permissions, and the one function that answers. Deny unless permitted. */

const VM_ACTIONS = [
  'create',
  'read',
  'update',
  'delete',
  'power',
  'migrate',
  'snapshot',
  'console',
] as const;
const CRUD = ['create', 'read', 'update', 'delete'] as const;

export type Permission =
  | `vm:${(typeof VM_ACTIONS)[number]}`
  | `${'node' | 'cluster' | 'storage' | 'network' | 'security' | 'image' | 'project' | 'user' | 'alert' | 'drs'}:${(typeof CRUD)[number]}`
  | 'node:report'
  | 'system:config'
  | 'system:audit';

export type Role = 'ADMIN' | 'OPERATOR' | 'VIEWER' | 'AGENT';
export type ProjectRole = 'OPERATOR' | 'VIEWER';

const READS: readonly Permission[] = [
  'vm:read', 'node:read', 'cluster:read', 'storage:read', 'network:read', 'security:read',
  'image:read', 'project:read', 'user:read', 'alert:read', 'drs:read',
]; // biome-ignore format: a table

const OPERATES: readonly Permission[] = [
  ...VM_ACTIONS.map((a) => `vm:${a}` as const),
  ...CRUD.map((a) => `storage:${a}` as const),
  ...CRUD.map((a) => `image:${a}` as const),
  ...CRUD.map((a) => `network:${a}` as const),
  ...CRUD.map((a) => `security:${a}` as const),
  'alert:update',
];

const ADMINISTERS: readonly Permission[] = [
  ...(['node', 'cluster', 'project', 'user', 'alert', 'drs'] as const).flatMap((noun) =>
    CRUD.map((a) => `${noun}:${a}` as const),
  ),
  'system:config',
  'system:audit',
];

/** An administrator does not report for nodes: only a node's own agent does. */
const GRANTS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  ADMIN: new Set([...READS, ...OPERATES, ...ADMINISTERS]),
  OPERATOR: new Set([...READS, ...OPERATES]),
  VIEWER: new Set(READS),
  AGENT: new Set(['node:report']),
};

/** What somebody shows to prove who they are. */
export type CredentialKind = 'SESSION' | 'API_TOKEN' | 'AGENT_TOKEN';

/** Whoever acts: a signed-in user, or the agent of a node. */
export interface Viewer {
  /** The user's id, the node's for an agent, a word for the system itself. */
  readonly id: string;
  /** The user, if it is one: what rows may refer to. */
  readonly userId: string | null;
  readonly name: string;
  readonly role: Role;
  /** The projects that the viewer is a member of, with the role in each. ADMIN needs none. */
  readonly projects: ReadonlyMap<string, ProjectRole>;
  /** The session or token that was shown. */
  readonly credentialId: string;
  /** Which of the two; absent: what its role has. */
  readonly credentialKind?: CredentialKind;
}

/** The credential behind what the viewer does, for the audit; null: this program itself acts, or nobody that is known. */
export function credentialOf(
  viewer: Viewer | null,
): { readonly kind: CredentialKind; readonly id: string } | null {
  if (!viewer?.credentialId) return null;
  const { role, credentialId: id, credentialKind } = viewer;
  return { kind: credentialKind ?? (role === 'AGENT' ? 'AGENT_TOKEN' : 'SESSION'), id };
}

/** The viewer as whom this program itself acts: controllers, command line. */
export function systemViewer(name: string): Viewer {
  return {
    id: `system:${name}`,
    userId: null,
    name: `system:${name}`,
    role: 'ADMIN',
    projects: new Map(),
    credentialId: '',
  };
}

/** The permissions that a role grants, for tables in docs and for `viewer { permissions }`. */
export function permissionsOf(role: Role): readonly Permission[] {
  return [...GRANTS[role]].sort();
}

/**
 * Whether the viewer may do this to an object of `projectId` (null: infrastructure, which has no project).
 * Outside ADMIN, a write in a project needs the permission from the role and OPERATOR in that project;
 * infrastructure may be read by its permission and is written by ADMIN alone.
 */
export function may(viewer: Viewer, permission: Permission, projectId: string | null): boolean {
  if (!GRANTS[viewer.role].has(permission)) return false;
  if (viewer.role === 'ADMIN' || viewer.role === 'AGENT') return true;
  const reads = permission.endsWith(':read');
  if (projectId === null) return reads;
  const role = viewer.projects.get(projectId);
  return role !== undefined && (reads || role === 'OPERATOR');
}
