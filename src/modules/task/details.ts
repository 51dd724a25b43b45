/** What a task keeps for its own end, as far as it says something to those who follow it. Older tasks may not have a part. */
import { z } from 'zod';
import { readPart } from '../../core/json-part.js';
import { builder } from '../../graphql/builder.js';
import { encodeGlobalId } from '../../ids.js';

const ids = z.array(z.uuid());
const SHAPE = {
  phase: z.enum(['COPYING', 'ARRIVING']),
  sizeBytes: z.string().regex(/^\d+$/),
  snapshotId: z.uuid(),
  volumeIds: ids,
  attached: ids,
  detached: ids,
  permanently: z.boolean(),
  start: z.boolean(),
};

type Details = ReturnType<typeof readDetails>;

/** Null where there is nothing to tell. */
export function readDetails(details: unknown) {
  const part = readPart(SHAPE, details);
  return Object.values(part).some((value) => value !== null) ? part : null;
}

const MigrationPhase = builder.enumType('MigrationPhase', {
  description: 'How far a migration is.',
  values: {
    COPYING: { description: 'The node that it leaves copies it.' },
    ARRIVING: { description: 'It belongs to its new node, whose agent takes it over.' },
  },
});

const volumes = (list: readonly string[] | null) =>
  list?.map((id) => encodeGlobalId('Volume', id)) ?? null;

export const TaskDetailsType = builder.objectRef<NonNullable<Details>>('TaskDetails').implement({
  description: 'What a task is to do, beyond its operation; null: not part of this operation.',
  fields: (t) => ({
    migrationPhase: t.field({
      type: MigrationPhase,
      nullable: true,
      description: 'MIGRATE: how far it is.',
      resolve: ({ phase }) => phase,
    }),
    sizeBytes: t.field({
      type: 'BigInt',
      nullable: true,
      description: 'GROW_VOLUME: the size that is to be.',
      resolve: ({ sizeBytes }) => (sizeBytes === null ? null : BigInt(sizeBytes)),
    }),
    snapshotId: t.id({
      nullable: true,
      description: 'The snapshot that is taken, reverted to or deleted.',
      resolve: ({ snapshotId }) =>
        snapshotId === null ? null : encodeGlobalId('VirtualMachineSnapshot', snapshotId),
    }),
    volumeIds: t.idList({
      nullable: true,
      description:
        'PROVISION and CLONE: the volumes that are made. PROMOTE: those that get blocks of their own.',
      resolve: ({ volumeIds }) => volumes(volumeIds),
    }),
    attachedVolumeIds: t.idList({
      nullable: true,
      description: 'RECONFIGURE: the volumes that are attached.',
      resolve: ({ attached }) => volumes(attached),
    }),
    detachedVolumeIds: t.idList({
      nullable: true,
      description: 'RECONFIGURE: the volumes that are detached.',
      resolve: ({ detached }) => volumes(detached),
    }),
    permanently: t.boolean({
      nullable: true,
      description: 'DELETE: whether nothing is kept in the bin.',
      resolve: ({ permanently }) => permanently,
    }),
    startsAfterwards: t.boolean({
      nullable: true,
      description: 'PROVISION and CLONE: whether the machine is started then.',
      resolve: ({ start }) => start,
    }),
  }),
});
