/** Security groups and their rules in the API. Which virtual machines a group is on is told by their module. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { deletedId, editable, expectedVersion, rootOne, target } from '../../graphql/fields.js';
import { mutationField } from '../../graphql/mutation.js';
import { viewerCan } from '../../graphql/viewer-can.js';
import { networkOf } from '../network/addresses.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import * as commands from './commands.js';
import {
  RuleActionEnum,
  RuleDirectionEnum,
  RuleProtocolEnum,
  SecurityGroupEntity,
  SecurityRuleEntity,
  securityGroups,
  securityRules,
} from './queries.js';

const RuleRemoteEnum = builder.enumType('RuleRemote', {
  description: 'What a rule says of the other end.',
  values: {
    ANY: { description: 'Nothing: every address matches.' },
    CIDR: { description: 'It is an address of a network.' },
    GROUP: { description: 'It is a virtual machine that has a security group.' },
  },
});

export const SecurityRuleRef = builder.prismaNode('SecurityRule', {
  id: { field: 'id' },
  description: 'What a security group lets through or drops.',
  select: { id: true },
  fields: (t) => ({
    description: t.exposeString('description', { description: 'For people.' }),
    direction: t.expose('direction', {
      type: RuleDirectionEnum,
      description: 'Which traffic it is about.',
    }),
    protocol: t.expose('protocol', { type: RuleProtocolEnum, description: 'Which protocol.' }),
    portRangeMin: t.exposeInt('portRangeMin', {
      nullable: true,
      description: 'The first port, from 1 to 65535; null: every port.',
    }),
    portRangeMax: t.exposeInt('portRangeMax', {
      nullable: true,
      description: 'The last port, from 1 to 65535; null: every port.',
    }),
    remote: t.field({
      type: RuleRemoteEnum,
      description:
        'What it says of the other end; tells a group that is not visible to you from none.',
      select: { remoteCidr: true, remoteGroupId: true },
      resolve: (rule) => {
        if (rule.remoteGroupId !== null) return 'GROUP';
        return rule.remoteCidr === null ? 'ANY' : 'CIDR';
      },
    }),
    remoteCidr: t.field({
      type: 'CIDR',
      nullable: true,
      description: 'The addresses at the other end, if `remote` is CIDR.',
      select: { remoteCidr: true },
      resolve: (rule) => networkOf(rule.remoteCidr),
    }),
    remoteGroup: relationOne(
      t,
      'remoteGroup',
      SecurityGroupEntity,
      'The group at the other end, if `remote` is GROUP and the group is visible to you.',
    ),
    action: t.expose('action', { type: RuleActionEnum, description: 'What it does.' }),
    priority: t.exposeInt('priority', {
      description: 'Rules are tried from the smallest number on; the first that matches decides.',
    }),
    securityGroup: relationOne(
      t,
      'securityGroup',
      SecurityGroupEntity,
      'The group that it belongs to.',
    ),
    ...editable(t),
  }),
});

export const SecurityGroupRef = builder.prismaNode('SecurityGroup', {
  id: { field: 'id' },
  description: 'A set of rules on the traffic of the virtual machines that have the group.',
  select: { id: true },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique in its project.' }),
    description: t.exposeString('description', { description: 'For people.' }),
    isDefault: t.exposeBoolean('isDefault', {
      description: 'Whether virtual machines of its project get it when no group is named.',
    }),
    project: relationOne(t, 'project', ProjectEntity, 'The project that it belongs to.'),
    rules: relationList(
      t,
      'rules',
      securityRules,
      'Its rules, in the order in which they are tried.',
    ),
    referencedBy: relationList(
      t,
      'referencedBy',
      securityRules,
      'Rules that you may see and that name it as the other end.',
    ),
    ...editable(t),
  }),
});

viewerCan(SecurityGroupRef, SecurityGroupEntity, {
  Update: 'security:update',
  Delete: 'security:delete',
});

builder.prismaObjectField(ProjectRef, 'securityGroups', (t) =>
  relationList(t, 'securityGroups', securityGroups, 'Its security groups.'),
);

rootOne('securityGroup', SecurityGroupEntity, 'security group');
rootList('securityGroups', securityGroups, 'The security groups that you may see.');

const securityGroup = {
  entity: SecurityGroupEntity,
  description: 'The group as it now is.',
  id: (r: { securityGroupId: string }) => r.securityGroupId,
};

const RuleInput = builder.inputType('SecurityRuleInput', {
  description: 'What a rule matches, and what happens then.',
  fields: (t) => ({
    direction: t.field({
      type: RuleDirectionEnum,
      required: true,
      description: 'Which traffic, seen from the virtual machine.',
    }),
    protocol: t.field({ type: RuleProtocolEnum, required: true, description: 'Which protocol.' }),
    portRangeMin: t.int({
      description: 'The first port, for TCP and UDP; every port if not given.',
    }),
    portRangeMax: t.int({ description: 'The last port; the first one if not given.' }),
    remoteCidr: t.field({ type: 'CIDR', description: 'Only this network at the other end.' }),
    remoteGroupId: t.id({
      description:
        'Only machines of this group of the same project at the other end; instead of a cidr.',
    }),
    action: t.field({ type: RuleActionEnum, description: 'What happens; ALLOW if not given.' }),
    priority: t.int({ description: 'From 1 (first) to 10000; 100 if not given.' }),
    description: t.string({ description: 'For people.' }),
  }),
});

mutationField('createSecurityGroup', commands.createSecurityGroup, {
  description: 'Creates a security group without rules.',
  input: (t) => ({
    projectId: t.id({ required: true, description: 'The project that it belongs to.' }),
    name: t.string({
      required: true,
      description: 'Unique in the project; lower-case letters, digits and hyphens.',
    }),
    description: t.string({ description: 'For people.' }),
  }),
  entities: { securityGroup },
});

mutationField('updateSecurityGroup', commands.updateSecurityGroup, {
  description: 'Changes what is given of a security group and leaves the rest.',
  input: (t) => ({
    id: target(t, 'security group'),
    name: t.string({ description: 'Its new name.' }),
    description: t.string({ description: 'For people.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { securityGroup },
});

mutationField('deleteSecurityGroup', commands.deleteSecurityGroup, {
  description:
    'Deletes a security group with its rules; not while it is used, and not the default one.',
  input: (t) => ({ id: target(t, 'security group'), expectedVersion: expectedVersion(t) }),
  fields: (t) => ({
    deletedSecurityGroupId: deletedId(t, 'SecurityGroup', 'deletedSecurityGroupId'),
  }),
});

mutationField('createSecurityRule', commands.createSecurityRule, {
  description: 'Adds a rule to a security group.',
  input: (t) => ({
    securityGroupId: target(t, 'security group'),
    rule: t.field({ type: RuleInput, required: true, description: 'The rule.' }),
    expectedVersion: expectedVersion(t),
  }),
  entities: {
    securityGroup,
    securityRule: {
      entity: SecurityRuleEntity,
      description: 'The new rule.',
      id: (r) => r.securityRuleId,
    },
  },
});

mutationField('deleteSecurityRule', commands.deleteSecurityRule, {
  description: 'Takes a rule out of a security group.',
  input: (t) => ({
    securityGroupId: target(t, 'security group'),
    id: target(t, 'rule'),
    expectedVersion: expectedVersion(t),
  }),
  entities: { securityGroup },
  fields: (t) => ({
    deletedSecurityRuleId: deletedId(t, 'SecurityRule', 'deletedSecurityRuleId'),
  }),
});

mutationField('replaceSecurityRules', commands.replaceSecurityRules, {
  description: 'Replaces all rules of a security group at once: all or nothing.',
  input: (t) => ({
    securityGroupId: target(t, 'security group'),
    rules: t.field({
      type: [RuleInput],
      required: true,
      description: 'All its rules from now on.',
    }),
    expectedVersion: expectedVersion(t),
  }),
  entities: { securityGroup },
});
