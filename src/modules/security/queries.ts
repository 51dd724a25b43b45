/** Security groups and their rules: who sees them, and the lists. A rule is seen by whoever sees its group. */
import { defineEntity, ofProject, through } from '../../core/entity.js';
import * as enums from '../../gen/client/enums.js';
import { builder } from '../../graphql/builder.js';
import { flag, oneOf, range, ref, text } from '../../graphql/filters.js';
import { declareList } from '../../graphql/list.js';

export const SecurityGroupEntity = defineEntity({
  type: 'SecurityGroup',
  model: 'securityGroup',
  label: 'name',
  visibility: ofProject('projectId', 'security:read'),
  projectColumn: 'projectId',
});

export const SecurityRuleEntity = defineEntity({
  type: 'SecurityRule',
  model: 'securityRule',
  label: 'description',
  visibility: through('securityGroup', SecurityGroupEntity.visibility),
  projectColumn: null,
});

export const RuleDirectionEnum = builder.enumType('RuleDirection', {
  description: 'Which traffic a rule is about, seen from the virtual machine.',
  values: {
    INGRESS: { value: enums.RuleDirection.INGRESS, description: 'What comes in.' },
    EGRESS: { value: enums.RuleDirection.EGRESS, description: 'What goes out.' },
  },
});

export const RuleProtocolEnum = builder.enumType('RuleProtocol', {
  description: 'The protocol that a rule is about.',
  values: {
    TCP: { value: enums.RuleProtocol.TCP, description: 'TCP, with ports.' },
    UDP: { value: enums.RuleProtocol.UDP, description: 'UDP, with ports.' },
    ICMP: { value: enums.RuleProtocol.ICMP, description: 'ICMP, of IPv4 and IPv6.' },
    ANY: { value: enums.RuleProtocol.ANY, description: 'Every protocol.' },
  },
});

export const RuleActionEnum = builder.enumType('RuleAction', {
  description: 'What happens to traffic that a rule matches.',
  values: {
    ALLOW: { value: enums.RuleAction.ALLOW, description: 'It passes.' },
    DENY: { value: enums.RuleAction.DENY, description: 'It is dropped.' },
  },
});

export const securityGroups = declareList(SecurityGroupEntity, {
  filter: {
    name: text(),
    description: text(),
    project: ref('projectId', 'Project'),
    isDefault: flag(),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { NAME: 'name', CREATED_AT: 'createdAt' },
});

export const securityRules = declareList(SecurityRuleEntity, {
  filter: {
    direction: oneOf('RuleDirection', RuleDirectionEnum),
    protocol: oneOf('RuleProtocol', RuleProtocolEnum),
    action: oneOf('RuleAction', RuleActionEnum),
    priority: range('Int'),
    portRangeMin: range('Int'),
    portRangeMax: range('Int'),
    securityGroup: ref('securityGroupId', 'SecurityGroup'),
    remoteGroup: ref('remoteGroupId', 'SecurityGroup'),
    description: text(),
    createdAt: range(),
    updatedAt: range(),
  },
  order: { PRIORITY: 'priority' },
});
