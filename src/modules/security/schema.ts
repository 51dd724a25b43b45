/** Security groups and their rules in the API. Which virtual machines a group is on is told by their module. */
import { builder } from '../../graphql/builder.js';
import { relationList, relationOne, rootList } from '../../graphql/connection.js';
import { editable, rootOne } from '../../graphql/fields.js';
import { networkOf } from '../network/addresses.js';
import { ProjectEntity } from '../project/queries.js';
import { ProjectRef } from '../project/schema.js';
import {
  RuleActionEnum,
  RuleDirectionEnum,
  RuleProtocolEnum,
  SecurityGroupEntity,
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

builder.prismaObjectField(ProjectRef, 'securityGroups', (t) =>
  relationList(t, 'securityGroups', securityGroups, 'Its security groups.'),
);

rootOne('securityGroup', SecurityGroupEntity, 'security group');
rootList('securityGroups', securityGroups, 'The security groups that you may see.');
