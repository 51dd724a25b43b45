/** Every part of the public contract has the shape that the rest has, so that knowing one of them is knowing all. */
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  getNamedType,
  isInputObjectType,
  isInterfaceType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { entityTypes, fieldsOf, objectTypes, ownTypes, schema, undescribed } from './schema.js';

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
const small = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
const shapes = (things: readonly { name: string; type: unknown }[]): Record<string, string> =>
  Object.fromEntries(things.map(({ name, type }) => [name, String(type)]));
const fieldShapes = (typeName: string): Record<string, string> => {
  const type = schema.getType(typeName);
  return type ? shapes(fieldsOf(type)) : {};
};
const roots = schema.getQueryType()?.getFields() ?? {};
const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});

describe('descriptions', () => {
  it('are there for every type, field, argument, input field and enum value', () => {
    expect(undescribed()).toEqual([]);
  });

  it('are missed wherever one is missing', () => {
    const bare = buildSchema(`
      "." type Query { a(b: Int): E }
      enum E { "." ONE TWO }
      input I { c: Int }
    `);
    expect(undescribed(bare)).toEqual(
      expect.arrayContaining(['Query.a', 'Query.a(b)', 'E', 'E.TWO', 'I', 'I.c']),
    );
    expect(undescribed(bare)).toHaveLength(6);
  });
});

/** Parts of another object: reached through it, without root fields of their own. */
const PARTS: Readonly<Record<string, string>> = {
  NetworkInterface: 'VirtualMachine.networkInterfaces',
  SecurityRule: 'SecurityGroup.rules',
  VirtualMachineSnapshot: 'VirtualMachine.snapshots',
};
/** Where English has a plural of its own. */
const PLURALS: Readonly<Record<string, string>> = { auditEntry: 'auditEntries' };

describe('entities', () => {
  const names = entityTypes().map(({ name }) => name);

  it('are the ones that a datacenter is made of', () => {
    for (const name of [
      'Project',
      'Cluster',
      'HypervisorNode',
      'VirtualMachine',
      'Volume',
      'Task',
      'AuditEntry',
    ])
      expect(names).toContain(name);
  });

  it('are whatever a connection pages through', () => {
    const paged = objectTypes()
      .filter(({ name }) => name.endsWith('Edge'))
      .map(({ name }) => fieldShapes(name).node);
    expect(paged.sort()).toEqual(names.map((name) => `${name}!`).sort());
  });

  it.each(names)('%s has a connection with edges, nodes, page info and a count', (name) => {
    expect(fieldShapes(`${name}Connection`)).toEqual({
      edges: `[${name}Edge!]!`,
      nodes: `[${name}!]!`,
      pageInfo: 'PageInfo!',
      totalCount: 'Int!',
    });
    expect(fieldShapes(`${name}Edge`)).toEqual({ cursor: 'String!', node: `${name}!` });
  });

  it.each(names)('%s is to be had one by one, and as a list', (name) => {
    const one = small(name);
    const [parent, list] = PARTS[name]?.split('.') ?? ['Query', PLURALS[one] ?? `${one}s`];
    expect(fieldShapes(parent ?? '')[list ?? '']).toBe(`${name}Connection!`);
    const single = roots[one];
    expect(single && { type: String(single.type), args: shapes(single.args) }).toEqual(
      PARTS[name] ? undefined : { type: name, args: { id: 'ID!' } },
    );
  });

  it('every list takes the same arguments, and its own filter and order', () => {
    const lists = objectTypes()
      .flatMap((type) => Object.values(type.getFields()))
      .filter(({ type }) => /Connection!?$/.test(String(type)));
    expect(lists.length).toBeGreaterThan(names.length);
    const pages = { first: 'Int', after: 'String', last: 'Int', before: 'String' };
    for (const list of lists) {
      const name = String(list.type).replace(/Connection!$/, '');
      if (list.name === 'history') {
        expect([name, shapes(list.args)]).toEqual(['AuditEntry', pages]); // in the one order that it has
        continue;
      }
      expect(shapes(list.args)).toEqual({
        ...pages,
        filter: `${name}Filter`,
        orderBy: `${name}Order`,
      });
      expect(fieldShapes(`${name}Filter`)).toMatchObject({
        and: `[${name}Filter!]`,
        or: `[${name}Filter!]`,
        not: `${name}Filter`,
      });
      expect(fieldShapes(`${name}Order`)).toEqual({
        field: `${name}OrderField!`,
        direction: 'OrderDirection',
      });
    }
  });

  it('a relation to one of them may be null: it may vanish, or be hidden', () => {
    const strict = objectTypes()
      .filter(({ name }) => !/(Edge|Change)$/.test(name))
      .flatMap((type) => Object.values(type.getFields()).map((field) => ({ type, field })))
      .filter(({ field }) => names.includes(String(field.type).replace(/!$/, '')))
      .filter(({ field }) => isNonNullType(field.type))
      .map(({ type, field }) => `${type.name}.${field.name}`);
    expect(strict).toEqual([]);
  });
});

/** What a mutation's first word says about it. An edit may be refused because of a version; an action is guarded by state. */
const VERBS: Readonly<Record<string, 'edit' | 'action'>> = {
  update: 'edit',
  delete: 'edit',
  approve: 'action',
  reject: 'action',
  apply: 'action',
  decommission: 'edit',
  create: 'action',
  register: 'action',
  issue: 'action',
  enrol: 'action',
  login: 'action',
  logout: 'action',
  change: 'action',
  revoke: 'action',
  start: 'action',
  stop: 'action',
  reboot: 'action',
  pause: 'action',
  resume: 'action',
  reset: 'action',
  suspend: 'action',
  cancel: 'action',
  migrate: 'action',
  resize: 'edit',
  promote: 'edit',
  move: 'edit',
  attach: 'edit',
  detach: 'edit',
  revert: 'action',
  redeem: 'action',
  restore: 'action',
  purge: 'action',
  report: 'action',
  cordon: 'action',
  uncordon: 'action',
  enter: 'action',
  exit: 'action',
  raise: 'action',
  acknowledge: 'action',
  resolve: 'action',
  assign: 'action',
  unassign: 'action',
  prepare: 'action',
  clone: 'action',
  grow: 'action',
  publish: 'action',
  unpublish: 'action',
  replace: 'edit',
  // Members have no version: setting one is the same whatever it was before, and so is removing.
  set: 'action',
  // Single labels: whoever changes others is not in the way.
  label: 'action',
  bulk: 'action',
  remove: 'action',
};
/** Creating or changing a part is an edit of the whole that it is part of. */
const ADDITIONS = [
  'createSecurityRule',
  'attachCdrom',
  'detachCdrom',
  'attachNetworkInterface',
  'detachNetworkInterface',
  'setInterfaceSecurityGroups',
  // The setting is always there; what they edit is its value.
  'resetSystemConfig',
  'setSystemConfig',
];
const EVERY_MUTATION = ['ValidationError', 'ConflictError', 'IdempotencyMismatchError'];
const EVERY_PAYLOAD = {
  dryRun: 'Boolean!',
  cascades: '[Cascade!]!',
  quotaChanges: '[QuotaChange!]!',
};

describe('mutations', () => {
  const inputOf = (name: string): GraphQLInputObjectType => {
    const type = schema.getType(`${capital(name)}Input`);
    if (!isInputObjectType(type)) throw new Error(`${name} has no input type`);
    return type;
  };

  it.each(mutations.map(({ name }) => name))('%s has one input and a result', (name) => {
    const field = mutations.find((mutation) => mutation.name === name);
    expect(shapes(field?.args ?? [])).toEqual({ input: `${capital(name)}Input!` });
    expect(String(field?.type)).toBe(`${capital(name)}Result!`);
  });

  it.each(mutations.map(({ name }) => name))(
    '%s answers with its payload or a declared error, and nothing else',
    (name) => {
      const union = schema.getType(`${capital(name)}Result`);
      if (!isUnionType(union)) throw new Error(`${name} has no result union`);
      const [payload, ...errors] = union.getTypes();
      expect(union.getTypes().map((type) => type.name)).toEqual(
        expect.arrayContaining([`${capital(name)}Payload`, ...EVERY_MUTATION]),
      );
      for (const type of [payload, ...errors]) {
        const isError = type?.getInterfaces().some((face) => face.name === 'UserError');
        expect(isError).toBe(type?.name !== `${capital(name)}Payload`);
      }
      const ofMany = name.startsWith('bulk'); // each of its outcomes says so
      expect(fieldShapes(`${capital(name)}Payload`)).toMatchObject(
        ofMany ? { dryRun: 'Boolean!' } : EVERY_PAYLOAD,
      );
    },
  );

  it.each(mutations.map(({ name }) => name))('%s can be tried dry and repeated safely', (name) => {
    expect(shapes(fieldsOf(inputOf(name)))).toMatchObject({
      dryRun: 'Boolean',
      idempotencyKey: 'String',
    });
  });

  it.each(mutations.map(({ name }) => name))(
    '%s takes an expected version if, and only if, it edits what has one',
    (name) => {
      const [verb = ''] = /^[a-z]+/.exec(name) ?? [];
      expect(Object.keys(VERBS), 'a new verb: say in VERBS what it does').toContain(verb);
      const noun = name.slice(verb.length);
      const versioned = [noun, noun.replace(/s$/, '')].some((type) => fieldShapes(type).version);
      const edits = (VERBS[verb] === 'edit' && versioned) || ADDITIONS.includes(name);
      const expected = edits ? 'Int' : undefined;
      expect(shapes(fieldsOf(inputOf(name))).expectedVersion).toBe(expected);
    },
  );

  it('what they create or change is shown in the payload by the name of its type', () => {
    for (const { name } of mutations) {
      const [, type = ''] = /^(?:create|update|register)(.*)$/.exec(name) ?? [];
      if (type) expect(fieldShapes(`${capital(name)}Payload`)[small(type)]).toBe(type);
      const [, gone = ''] = /^delete(.*)$/.exec(name) ?? [];
      if (gone) expect(fieldShapes(`${capital(name)}Payload`)[`deleted${gone}Id`]).toBe('ID!');
    }
  });

  it('every error that has the interface can be the answer of some mutation', () => {
    const answers = new Set(
      ownTypes()
        .filter(isUnionType)
        .flatMap((union) => union.getTypes().map(({ name }) => name)),
    );
    const errors = objectTypes().filter((type) =>
      type.getInterfaces().some(({ name }) => name === 'UserError'),
    );
    expect(errors.map(({ name }) => name).filter((name) => !answers.has(name))).toEqual([]);
    expect(Object.keys(fieldShapes('UserError')).sort()).toEqual([
      'code',
      'message',
      'path',
      'retryable',
    ]);
  });
});

/** Ids that others gave: not ids of this API. */
const FOREIGN_IDS =
  /^(AuditEntry|ObjectChange)\.requestId$|^AuditEntry\.credentialId$|\.vlanId$|^Volume\.backendId$/;

describe('names', () => {
  const everyField = ownTypes().flatMap((type) =>
    fieldsOf(type).map((field) => ({ place: `${type.name}.${field.name}`, type, field })),
  );
  const everyValue = [
    ...everyField.map(({ place, field }) => ({ place, name: field.name, type: field.type })),
    ...everyField.flatMap(({ place, field }) =>
      ('args' in field ? field.args : []).map((arg: GraphQLArgument) => ({
        place: `${place}(${arg.name})`,
        name: arg.name,
        type: arg.type,
      })),
    ),
  ];

  it.each([
    ['Bytes', ['BigInt']],
    ['Mib', ['Int', 'Float']],
    ['Gib', ['Int', 'Float']],
    ['Ms', ['Int']],
    ['At', ['DateTime']],
    ['Id', ['ID']],
    ['Ids', ['ID']],
    ['Percent', ['Int', 'Float']],
  ])('what ends in %s is a %j', (suffix, allowed) => {
    const others = everyValue
      .filter(({ name, place }) => name.endsWith(suffix) && !place.includes('Filter.'))
      .filter(({ type }) => !allowed.includes(getNamedType(type as GraphQLInputType).name))
      .map(({ place }) => place);
    expect(others.filter((place) => !FOREIGN_IDS.test(place))).toEqual([]);
  });

  it('a size says its unit', () => {
    const vague = everyField
      .filter(({ field }) =>
        /^(size|capacity|memory|storage|disk|bandwidth|duration|timeout)$/i.test(field.name),
      )
      .filter(
        ({ field }) =>
          !isObjectType(getNamedType(field.type)) && !isInputObjectType(getNamedType(field.type)),
      )
      .map(({ place }) => place);
    expect(vague).toEqual([]);
  });

  it('free-form JSON stands only where no type can be known', () => {
    const free = everyField
      .filter(({ field }) => getNamedType(field.type).name === 'JSON')
      .filter(({ field }) => !/^(labels|affinityLabels|antiAffinityLabels)$/.test(field.name))
      .map(({ place }) => place);
    const labels = ['BulkLabelVirtualMachinesInput.set', 'LabelVirtualMachineInput.set'];
    expect(free.filter((place) => !labels.includes(place))).toEqual([
      'AuditEntry.details',
      'FieldChange.after',
      'FieldChange.before',
    ]);
  });

  it("no field repeats its type's name, but for the user name", () => {
    const repeated = everyField
      .filter(({ type }) => isObjectType(type) || isInterfaceType(type))
      .filter(({ type, field }) => field.name.toLowerCase().startsWith(type.name.toLowerCase()))
      .map(({ place }) => place);
    expect(repeated).toEqual(['User.username']);
  });
});
