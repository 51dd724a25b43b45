/** `server`: what answers. Anybody may ask for the version; the rest is for who is signed in. */
import type { Services } from '../../core/context.js';
import { builder } from '../../graphql/builder.js';
import { VERSION } from '../../version.js';
import { MemberType, type ShownMember } from './members.js';

const Mode = builder.enumType('ServerMode', {
  description: 'How this instance was started.',
  values: {
    DEV: { description: 'With --dev: everything in memory, lost when it stops.' },
    PRODUCTION: { description: 'On its servers.' },
  },
});

const DataSource = builder.enumType('DataSource', {
  description: 'Where the data is.',
  values: {
    POSTGRES: { description: 'In PostgreSQL.' },
    MEMORY: { description: 'In the memory of this process.' },
  },
});

async function membersOf({ coordination }: Services): Promise<ShownMember[]> {
  const members = await coordination.members();
  return members.map((member) => ({ ...member, self: member.id === coordination.id }));
}

const signedIn = { authScopes: { signedIn: true } } as const;

const ServerType = builder.objectRef<Services>('Server').implement({
  description: 'The instance that answers.',
  fields: (t) => ({
    version: t.string({ description: 'Its version. Anybody may ask.', resolve: () => VERSION }),
    mode: t.field({
      ...signedIn,
      type: Mode,
      nullable: true,
      description: 'How it was started.',
      resolve: ({ config }) => (config.mode === 'dev' ? 'DEV' : 'PRODUCTION'),
    }),
    dataSource: t.field({
      ...signedIn,
      type: DataSource,
      nullable: true,
      description: 'Where the data is.',
      resolve: ({ data }) => (data.kind === 'memory' ? 'MEMORY' : 'POSTGRES'),
    }),
    persistent: t.boolean({
      ...signedIn,
      nullable: true,
      description: 'Whether what is written survives a restart.',
      resolve: ({ data }) => data.persistent,
    }),
    degraded: t.stringList({
      ...signedIn,
      nullable: true,
      description: 'What it has to do without at the moment; empty when all is well.',
      resolve: (services) => [...services.degraded()],
    }),
    members: t.field({
      ...signedIn,
      type: [MemberType],
      nullable: true,
      description:
        'The live instances of the control plane, the oldest first. Without etcd an instance knows of itself alone.',
      resolve: membersOf,
    }),
    leader: t.field({
      ...signedIn,
      type: MemberType,
      nullable: true,
      description: 'The instance that runs the controllers; null while none does.',
      resolve: async (services) => (await membersOf(services)).find(({ leader }) => leader) ?? null,
    }),
  }),
});

builder.queryField('server', (t) =>
  t.field({
    type: ServerType,
    description: 'The instance that answers.',
    skipTypeScopes: true,
    resolve: (_root, _args, { services }) => services,
  }),
);
