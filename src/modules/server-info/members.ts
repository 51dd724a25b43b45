/** The instances that live: `server { members { ... } leader { ... } }`. */
import type { Member } from '../../coordination/coordination.js';
import { builder } from '../../graphql/builder.js';

export interface ShownMember extends Member {
  readonly self: boolean;
}

export const MemberType = builder.objectRef<ShownMember>('ServerMember').implement({
  description: 'A live instance of the control plane.',
  fields: (t) => ({
    id: t.exposeID('id', {
      description: 'Which one it is; a new one with each start.',
    }),
    address: t.exposeString('address', {
      description: 'Where it can be reached: host and port.',
    }),
    version: t.exposeString('version', { description: 'Its version.' }),
    startedAt: t.field({
      type: 'DateTime',
      description: 'When it was started.',
      resolve: ({ startedAt }) => startedAt,
    }),
    leader: t.exposeBoolean('leader', {
      description: 'Whether it runs the controllers at present. At most one does.',
    }),
    redis: t.exposeBoolean('redis', {
      description:
        'Whether it has Redis. As long as one has not, no instance answers from its cache: what that one writes, the others hear of late.',
    }),
    self: t.exposeBoolean('self', { description: 'Whether it is the one that answers.' }),
  }),
});
