/** Who may use whom: the floors of the house, and the arrows between the modules. */

/** A room is a folder or a file directly in src; a floor may use what is below it. */
export const FLOORS: Readonly<Record<string, number>> = {
  config: 0,
  'log.ts': 0,
  'errors.ts': 0,
  'capacity-errors.ts': 0,
  'user-error.ts': 0,
  'request-errors.ts': 0,
  'clock.ts': 0,
  'ids.ts': 0,
  'version.ts': 0,
  'stand-in.ts': 0,
  data: 1,
  coordination: 1,
  ephemeral: 1,
  core: 2,
  graphql: 2,
  modules: 3,
  server: 4,
  controllers: 4,
  agent: 4,
  'schema.ts': 4,
  'main.ts': 5,
  'app.ts': 5,
  'services.ts': 5,
  cli: 5,
};

/** Arrows between rooms of one floor; all others are forbidden, except that base and roots are one circle each. */
export const SIDEWAYS: ReadonlySet<string> = new Set(['graphql -> core']);

/** Generated code stands beside the floors: from which floor on, or for which room alone, it may be used. */
export const GENERATED: readonly {
  readonly prefix: string;
  readonly allowed: (room: string, floor: number) => boolean;
}[] = [
  { prefix: 'src/gen/api/', allowed: (room) => room === 'agent' },
  { prefix: 'src/gen/pothos-types.ts', allowed: (room) => room === 'graphql' },
  { prefix: 'src/gen/client/', allowed: (room, floor) => floor >= 1 && room !== 'agent' },
];

/** What each module builds on. What its parents build on it may use too. */
export const MODULES: Readonly<Record<string, readonly string[]>> = {
  user: [],
  project: ['user'],
  cluster: [],
  node: ['cluster'],
  token: ['user', 'project', 'node'],
  storage: ['cluster', 'node', 'project', 'task'],
  image: ['storage', 'project'],
  network: ['project', 'cluster'],
  security: ['network', 'project'],
  task: ['user', 'project', 'node'],
  'virtual-machine': ['project', 'node', 'storage', 'image', 'network', 'security', 'task'],
  metrics: ['node', 'virtual-machine'],
  alert: ['node', 'virtual-machine', 'metrics'],
  drs: ['cluster', 'node', 'virtual-machine', 'metrics'],
  audit: ['user'],
  'change-feed': ['project', 'audit'],
  'server-info': [],
  'system-config': [],
  report: ['node', 'virtual-machine', 'task', 'metrics', 'alert'],
};

/** All modules that `module` may use. Throws when the arrows run in a circle. */
export function parentsOf(
  module: string,
  modules: Readonly<Record<string, readonly string[]>> = MODULES,
  below: readonly string[] = [],
): ReadonlySet<string> {
  if (below.includes(module)) throw new Error(`a circle: ${[...below, module].join(' -> ')}`);
  const parents = modules[module] ?? [];
  return new Set(
    parents.flatMap((parent) => [parent, ...parentsOf(parent, modules, [...below, module])]),
  );
}
