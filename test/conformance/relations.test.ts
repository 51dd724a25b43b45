/** Whatever two tables of the data model have to do with each other can be followed in the graph, from both its ends. */
import { describe, expect, it } from 'vitest';
import { allEntities } from '../../src/core/entity.js';
import { getDatamodel } from '../../src/gen/pothos-types.js';
import { buildSchema } from '../../src/schema.js';
import { toMany, toOne } from '../support/schema-walk.js';

buildSchema();

/** Tables whose rows are a part of something else in the API, or only join two others. */
const JOINS: Readonly<Record<string, string>> = {
  VmSecurityGroup: 'leads from a machine to its groups and back',
};
/** Relations that the graph does not have, each with its reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'Project.members -> ProjectMember': 'a part of the project, listed without pages',
  'User.memberships -> ProjectMember': 'a part of the user, listed without pages',
  'User.tokens -> ApiToken': 'credentials are not shown',
  'HypervisorNode.tokens -> ApiToken': 'credentials are not shown',
  'HypervisorNode.incomingTasks -> Task': 'tasks(filter: { targetNode: ... })',
  'VirtualMachineSnapshot.currentOf -> VirtualMachine': 'its machine says which one is current',
  'Image.shares -> ImageShare': 'sharedWith: the projects, listed without pages',
  'Project.sharedImages -> ImageShare': 'they are among the images that its members see',
  'NetworkInterface.addresses -> IpAddress': 'ipAddresses: plain values',
  'VirtualNetwork.addresses -> IpAddress': 'reached through the interfaces that hold them',
  'NetworkInterface.securityGroups -> InterfaceSecurityGroup': 'a list without pages',
  'SecurityGroup.interfaces -> InterfaceSecurityGroup': 'reached through the machines',
  'Cluster.enrolmentTokens -> EnrolmentToken': 'enrolmentTokens, for administrators',
  'User.enrolmentTokens -> EnrolmentToken': 'enrolmentTokens, for administrators',
  'EnrolmentToken.enrolments -> Enrolment': 'uses: how many there were; the audit names them',
  'HypervisorNode.enrolments -> Enrolment': 'for repeats of an enrolment alone',
};
/** Fields of the graph that no relation of the data model stands behind. */
const EXTRA: Readonly<Record<string, string>> = {
  'VirtualMachine -> Task': 'currentTask: one of its tasks',
};

const { models } = getDatamodel().datamodel;
const typeOf = new Map(
  allEntities().map(({ model, type }) => [model.charAt(0).toUpperCase() + model.slice(1), type]),
);
const fieldsOf = (model: string) => models[model]?.fields ?? [];

/** `Type.relation -> Type` for each relation of a type's table, across tables that only join. */
const relations = [...typeOf].flatMap(([model, type]) =>
  fieldsOf(model)
    .filter(({ kind }) => kind === 'object')
    .map(({ name, type: to }) => {
      const beyond = fieldsOf(to).find((f) => f.kind === 'object' && f.type !== model)?.type;
      const end = JOINS[to] ? (beyond ?? to) : to;
      return { name: `${type}.${name} -> ${typeOf.get(end) ?? end}`, ends: [type, end] as const };
    }),
);

const counted = (pairs: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const pair of pairs) counts[pair] = (counts[pair] ?? 0) + 1;
  return counts;
};

describe('the relations of the data model', () => {
  it('are all in the graph, from both ends, but for those with a reason', () => {
    const inModel = relations
      .filter(({ name }) => !(name in LEFT_OUT))
      .map(({ ends: [from, to] }) => `${from} -> ${typeOf.get(to) ?? to}`);
    const inGraph = [...typeOf.values()].flatMap((type) =>
      [...toOne(type), ...toMany(type)].map((relation) => `${type} -> ${relation.type}`),
    );
    expect(counted(inGraph)).toEqual(counted([...inModel, ...Object.keys(EXTRA)]));
  });

  it('that are left out do exist', () => {
    const names = relations.map(({ name }) => name);
    expect(Object.keys(LEFT_OUT).filter((name) => !names.includes(name))).toEqual([]);
    expect(Object.keys(JOINS).filter((model) => !models[model])).toEqual([]);
  });
});
