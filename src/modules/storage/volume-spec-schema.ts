/** The typed JSON of volumes in the API. */
import { builder } from '../../graphql/builder.js';
import { looseId } from '../../graphql/loose-ref.js';
import type { Qos, VolumeSource, VolumeSpec } from './volume-spec.js';

export const AccessModeEnum = builder.enumType('VolumeAccessMode', {
  description: 'How many virtual machines may use a volume at once.',
  values: {
    READ_WRITE_ONCE: { description: 'One, which may write.' },
    READ_ONLY_MANY: { description: 'Many, none of which may write.' },
    READ_WRITE_MANY: { description: 'Many, all of which may write.' },
  },
});

export const VolumeSourceEnum = builder.enumType('VolumeSourceType', {
  description: 'What the first content of a volume is.',
  values: {
    EMPTY: { description: 'Nothing.' },
    CLONE: { description: 'A copy of another volume.' },
    SNAPSHOT: { description: 'A copy of a volume as a snapshot holds it.' },
    IMAGE: { description: 'A copy of an image.' },
  },
});

export const QosType = builder.objectRef<Qos>('StorageQos').implement({
  description: 'Limits of a volume.',
  fields: (t) => ({
    maxIops: t.exposeInt('maxIops', {
      nullable: true,
      description: 'Operations in a second; null is unlimited.',
    }),
    maxThroughputBytes: t.expose('maxThroughputBytes', {
      type: 'BigInt',
      nullable: true,
      description: 'Bytes in a second, read and written; null is unlimited.',
    }),
  }),
});

const SourceType = builder.objectRef<VolumeSource>('VolumeSource').implement({
  description: 'Where the first content of a volume came from.',
  fields: (t) => ({
    type: t.expose('type', { type: VolumeSourceEnum, description: 'What kind of content.' }),
    sourceId: t.id({
      nullable: true,
      description: 'What was copied, which may be gone by now; null when nothing was.',
      resolve: (source) => looseId(source.entity, source.id),
    }),
  }),
});

export const VolumeSpecType = builder.objectRef<VolumeSpec>('VolumeSpec').implement({
  description: 'How a volume is set up.',
  fields: (t) => ({
    source: t.field({
      type: SourceType,
      nullable: true,
      description: 'Where its first content came from; null when that was not recorded.',
      resolve: (spec) => spec.source,
    }),
    qos: t.field({ type: QosType, description: 'Its limits.', resolve: (spec) => spec.qos }),
    accessMode: t.expose('accessMode', {
      type: AccessModeEnum,
      nullable: true,
      description: 'How many virtual machines may use it; null: not set.',
    }),
  }),
});
