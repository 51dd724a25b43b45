/** Shared settings in the API. */
import { writtenValue } from '../../config/describe.js';
import type { Problem } from '../../config/shared.js';
import { findShared } from '../../config/shared.js';
import { builder } from '../../graphql/builder.js';
import { mutationField } from '../../graphql/mutation.js';
import { resetSystemConfig, setSystemConfig } from './commands.js';
import { listSettings, type ShownSetting, seesSettings } from './queries.js';

const Source = builder.enumType('SystemConfigSource', {
  description: 'Where the value of a setting comes from.',
  values: {
    DEFAULT: { description: 'Nobody has set it.' },
    FILE: {
      description: "From this instance's own configuration: its file, environment or flags.",
    },
    SHARED: { description: 'Set with setSystemConfig, for all instances.' },
  },
});

const Kind = builder.enumType('SystemConfigType', {
  description: 'How the value of a setting is written.',
  values: {
    INTEGER: { description: 'A whole number.' },
    RATIO: { description: 'A number, with a decimal point where needed.' },
    CHOICE: { description: 'One of `choices`.' },
    DURATION: { description: 'A whole number and ms, s, m or h, such as 90s.' },
    BYTES: { description: 'A whole number, alone or with B, KiB, MiB or GiB.' },
  },
});

/** Those are shared only that the model declares so. */
const declared = (key: string) => {
  const entry = findShared(key);
  if (!entry) throw new Error(`${key} is no shared setting`);
  return entry.key;
};

const SystemConfigType = builder.objectRef<ShownSetting>('SystemConfig').implement({
  description:
    'A setting that all instances share: a value set here counts on each of them, over its own configuration, within a second.',
  fields: (t) => ({
    key: t.exposeString('key', { description: 'Its name, as in docs/configuration.md.' }),
    value: t.exposeString('value', { description: 'What counts on the instance that answers.' }),
    default: t.string({
      description: 'What counts when nobody has set anything.',
      resolve: ({ key }) => {
        const { kind, schema, initial } = declared(key);
        return writtenValue(kind, schema.parse(initial));
      },
    }),
    source: t.field({
      type: Source,
      description: 'Where `value` comes from.',
      resolve: ({ source }) => source,
    }),
    type: t.field({
      type: Kind,
      description: 'How values are written.',
      resolve: ({ key }) => declared(key).kind.toUpperCase() as 'INTEGER',
    }),
    unit: t.string({
      nullable: true,
      description: 'What one of it is; null when the value says so itself, or has none.',
      resolve: ({ key }) => declared(key).unit,
    }),
    min: t.string({
      nullable: true,
      description: 'The least value; null for choices.',
      resolve: ({ key }) => declared(key).min,
    }),
    max: t.string({
      nullable: true,
      description: 'The greatest value; null for choices.',
      resolve: ({ key }) => declared(key).max,
    }),
    choices: t.stringList({
      description: 'What can be chosen from; empty for all other types.',
      resolve: ({ key }) => [...declared(key).choices],
    }),
    description: t.string({
      description: 'What it does.',
      resolve: ({ key }) => declared(key).description,
    }),
    version: t.exposeInt('version', {
      description:
        'Rises with every set and reset; send it back as `expectedVersion`. 0: never set.',
    }),
    updatedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was last set or reset; null: never, or by hand in etcd.',
      resolve: ({ updatedAt }) => (updatedAt === null ? null : new Date(updatedAt)),
    }),
    updatedBy: t.exposeString('updatedBy', {
      nullable: true,
      description: 'Who set or reset it last; null: nobody, or by hand in etcd.',
    }),
  }),
});

const ProblemType = builder.objectRef<Problem>('SystemConfigProblem').implement({
  description: 'A value in etcd that does not count.',
  fields: (t) => ({
    key: t.exposeString('path', { description: 'The name that it has in etcd.' }),
    message: t.exposeString('message', { description: 'What is wrong, and what would be right.' }),
  }),
});

builder.queryField('systemConfig', (t) =>
  t.field({
    type: [SystemConfigType],
    extensions: { uncacheable: true }, // what it shows lies in etcd
    description:
      'The settings that all instances share, as they count on the one that answers. Empty for who may not change them.',
    args: {
      keys: t.arg.stringList({ description: 'Only these; absent: all.' }),
    },
    resolve: (_root, { keys }, { services, viewer }) =>
      seesSettings(viewer) ? [...listSettings(services, keys ?? null)] : [],
  }),
);

builder.queryField('systemConfigProblems', (t) =>
  t.field({
    type: [ProblemType],
    extensions: { uncacheable: true },
    description:
      'What is in etcd and does not count on the instance that answers: unknown, malformed, or not together with the rest. Remove or correct it.',
    resolve: (_root, _args, { services, viewer }) =>
      seesSettings(viewer) ? [...services.settings.problems()] : [],
  }),
);

// biome-ignore lint/suspicious/noExplicitAny: the payload field builder of either mutation
const payload = (t: any) => ({
  systemConfig: t.field({
    type: SystemConfigType,
    description: 'The setting as it now is.',
    resolve: ({ result }: { result: { setting: ShownSetting } }) => result.setting,
  }),
});

// biome-ignore lint/suspicious/noExplicitAny: the input field builder of either mutation
const whichOne = (t: any) => ({
  key: t.string({ required: true, description: 'Its name, such as ha.not_ready_after.' }),
  expectedVersion: t.int({
    description: 'Refuse when the setting is not at this version any more. 0: never set.',
  }),
});

mutationField('setSystemConfig', setSystemConfig, {
  description:
    'Sets a setting for all instances. They follow within a second, without a restart; what they have begun goes on as it began.',
  input: (t) => ({
    ...whichOne(t),
    value: t.string({ required: true, description: 'As in config.yaml, such as 45s.' }),
  }),
  fields: payload,
});

mutationField('resetSystemConfig', resetSystemConfig, {
  description: "Takes a shared setting away: each instance's own value counts again.",
  input: whichOne,
  fields: payload,
});
