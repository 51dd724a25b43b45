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
  | 'task:read'
  | 'audit:read'
  | 'token:read'
  | 'token:create'
  | 'token:delete'
  | 'node:report'
  | 'system:config'
  | 'system:audit';

export type Role = 'ADMIN' | 'OPERATOR' | 'VIEWER' | 'AGENT';
export type ProjectRole = 'OPERATOR' | 'VIEWER';

const READS: readonly Permission[] = [
  'vm:read', 'node:read', 'cluster:read', 'storage:read', 'network:read', 'security:read',
  'image:read', 'project:read', 'user:read', 'alert:read', 'drs:read', 'task:read', 'audit:read',
]; // biome-ignore format: a table

/** About what is the caller's own, and in no project: every user has them, whatever the role. */
const OWN: readonly Permission[] = ['token:read', 'token:create', 'token:delete'];

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
  ADMIN: new Set([...READS, ...OWN, ...OPERATES, ...ADMINISTERS]),
  OPERATOR: new Set([...READS, ...OWN, ...OPERATES]),
  VIEWER: new Set([...READS, ...OWN]),
  AGENT: new Set(['node:report']),
};

/**
 * What a token of a script may be given. Whoever makes users or tokens can make one that may do more, so no token may:
 * what is not listed here, and whatever permission is added later, is for people who have signed in.
 */
export const FOR_TOKENS: readonly Permission[] = [
  ...new Set<Permission>([
    ...READS,
    ...OPERATES,
    ...ADMINISTERS.filter((permission) => !permission.startsWith('user:')),
    'token:read',
    'token:delete',
  ]),
].sort();

/** What somebody shows to prove who they are. */
export type CredentialKind = 'SESSION' | 'API_TOKEN' | 'AGENT_TOKEN';

/** Whoever acts: a signed-in user, a script with a user's token, or the agent of a node. */
export interface Viewer {
  /** The user's id, the node's for an agent, a word for the system itself. */
  readonly id: string;
  /** The user, if it is one: what rows may refer to. */
  readonly userId: string | null;
  readonly name: string;
  /** Of the user, also where a token leaves less: ask the functions below, not the role. */
  readonly role: Role;
  /** The projects that the viewer is a member of, with the role in each. ADMIN needs none, unless confined to some by a token. */
  readonly projects: ReadonlyMap<string, ProjectRole>;
  /** What a token leaves of its owner's rights; absent for sessions and agents. */
  readonly scope?: Scope | undefined;
  /** The session or token that was shown. */
  readonly credentialId: string;
  /** True: nothing is permitted before the password is another one; see PasswordChangeRequiredError. */
  readonly mustChangePassword?: boolean;
}

export interface Scope {
  readonly permissions: ReadonlySet<Permission>;
  /** Null: all projects of the owner, as they are at the time. */
  readonly projects: ReadonlySet<string> | null;
}

/** The credential behind what the viewer does, for the audit; null: this program itself acts, or nobody that is known. */
export function credentialOf({
  role,
  scope,
  credentialId: id,
}: Viewer): { readonly kind: CredentialKind; readonly id: string } | null {
  if (!id) return null;
  return { kind: role === 'AGENT' ? 'AGENT_TOKEN' : scope ? 'API_TOKEN' : 'SESSION', id };
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

/** The user's rights cut by what a token of theirs is for. The one place where a scope is made to count for projects. */
export function withScope(owner: Viewer, scope: Scope): Viewer {
  const { projects: only } = scope;
  if (only === null) return { ...owner, scope };
  const projects =
    owner.role === 'ADMIN'
      ? new Map([...only].map((id) => [id, 'OPERATOR'] as const))
      : new Map([...owner.projects].filter(([id]) => only.has(id)));
  return { ...owner, projects, scope };
}

/** The permissions that a role grants, for tables in docs. */
export function permissionsOf(role: Role): readonly Permission[] {
  return [...GRANTS[role]].sort();
}

/** Whether the viewer has the permission anywhere at all: by the role, and by the token that was shown. */
export function grants({ role, scope }: Viewer, permission: Permission): boolean {
  return GRANTS[role].has(permission) && (scope === undefined || scope.permissions.has(permission));
}

export const isAgent = ({ role }: Viewer): boolean => role === 'AGENT';

/** Whether a token narrows the viewer down to some projects. */
export const isConfined = ({ scope }: Viewer): boolean =>
  scope !== undefined && scope.projects !== null;

/** An administrator, who needs no membership: of everything that the permissions allow. */
export const isEverywhere = (viewer: Viewer): boolean =>
  viewer.role === 'ADMIN' && !isConfined(viewer);

/** Whether objects of this project exist for the viewer. */
export const isWithin = (viewer: Viewer, projectId: string): boolean =>
  isEverywhere(viewer) || viewer.projects.has(projectId);

/** Why somebody may not: the role, the part in the project, this token, or that it is a token. */
export type Lack = 'ROLE' | 'PROJECT_ROLE' | 'TOKEN' | 'SESSION';

/**
 * Whether the viewer may do this to an object of `projectId` (null: infrastructure, which has no project).
 * Outside ADMIN, a write in a project needs the permission from the role and OPERATOR in that project;
 * infrastructure may be read by its permission and is written by ADMIN alone. A token takes away from that and never adds.
 */
export function may(viewer: Viewer, permission: Permission, projectId: string | null): boolean {
  return lackOf(viewer, permission, projectId) === null;
}

/** What is missing for `may`; null: nothing. */
export function lackOf(
  viewer: Viewer,
  permission: Permission,
  projectId: string | null,
): Lack | null {
  const { role, scope } = viewer;
  if (!GRANTS[role].has(permission)) return 'ROLE';
  if (scope && !scope.permissions.has(permission)) {
    if (!FOR_TOKENS.includes(permission)) return 'SESSION';
    return lackInPlace(viewer, permission, projectId) ?? 'TOKEN';
  }
  return lackInPlace(viewer, permission, projectId);
}

/** The permission itself is there: is it there for this project, or for infrastructure? */
function lackInPlace(
  viewer: Viewer,
  permission: Permission,
  projectId: string | null,
): Lack | null {
  if (isAgent(viewer) || isEverywhere(viewer) || OWN.includes(permission)) return null;
  const reads = permission.endsWith(':read');
  if (projectId === null) {
    if (reads) return null;
    return viewer.role === 'ADMIN' ? 'TOKEN' : 'ROLE';
  }
  const inProject = viewer.projects.get(projectId);
  if (inProject === undefined) return isConfined(viewer) ? 'TOKEN' : 'PROJECT_ROLE';
  return reads || inProject === 'OPERATOR' ? null : 'PROJECT_ROLE';
}

/** Whose idempotency keys a request's are: what a token did is not repeated by another one, which may do something else. */
export const principalOf = ({ id, scope, credentialId }: Viewer): string =>
  scope ? `token:${credentialId}` : id;

/** Everything that decides what the viewer sees and may do, as a text: the same text, the same rights. */
export function rightsText({ role, projects, scope, mustChangePassword = false }: Viewer): string {
  return JSON.stringify([
    role,
    [...projects].sort(),
    scope ? [[...scope.permissions].sort(), scope.projects && [...scope.projects].sort()] : null,
    mustChangePassword,
  ]);
}
