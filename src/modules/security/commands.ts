/**
 * What can be done to security groups and their rules. Every change of a rule raises the version of its group,
 * so whoever replaces the whole set, or edits it rule by rule, notices everybody else.
 */
import { z } from 'zod';
import { type Change, defineCommand, type RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { description, idOf, name, optional, present, version } from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { usesOf } from '../../core/usage.js';
import {
  deleteVersioned,
  raiseVersion,
  readForEdit,
  updateVersioned,
} from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, InUseError, NotFoundError, ValidationError } from '../../errors.js';
import type { SecurityGroup, SecurityRule } from '../../gen/client/client.js';
import { ProjectEntity } from '../project/queries.js';
import { SecurityGroupEntity, SecurityRuleEntity } from './queries.js';
import { checkRules, MAX_RULES, type RuleInput, ruleColumns, ruleInput } from './rules.js';

const resourceType = 'SecurityGroup';
const subject = (input: { id: string }) => ({ entity: SecurityGroupEntity, id: input.id });

export const createSecurityGroup = defineCommand({
  name: 'securityGroup.create',
  resourceType,
  permission: 'security:create',
  subject: (input: { projectId: string }) => ({
    entity: ProjectEntity,
    id: input.projectId,
    path: ['projectId'],
  }),
  input: z.object({ projectId: idOf('Project'), name, description: optional(description) }),
  errors: [AlreadyExistsError],
  lock: ({ name, projectId }) => [nameLock(SecurityGroupEntity, name, projectId)],
  label: (input) => input.name,
  async run({ tx, newId }, { projectId, ...fields }) {
    const after = await tx.securityGroup.create({
      data: { id: newId(), projectId, name: fields.name, ...present(fields) },
    });
    return {
      result: { securityGroupId: after.id },
      changed: [{ type: resourceType, id: after.id, before: null, after }],
    };
  },
});

export const updateSecurityGroup = defineCommand({
  name: 'securityGroup.update',
  resourceType,
  permission: 'security:update',
  subject,
  input: z.object({
    id: idOf('SecurityGroup'),
    name: optional(name),
    description: optional(description),
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError],
  async run({ tx }, { id, expectedVersion, ...fields }) {
    const before = await readForEdit<SecurityGroup>(tx, SecurityGroupEntity, id, expectedVersion);
    const after = await updateVersioned(tx, SecurityGroupEntity, before, present(fields));
    return {
      result: { securityGroupId: id },
      changed: [{ type: resourceType, id, before, after }],
    };
  },
});

export const deleteSecurityGroup = defineCommand({
  name: 'securityGroup.delete',
  resourceType,
  permission: 'security:delete',
  subject,
  input: z.object({ id: idOf('SecurityGroup'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer }, { id, expectedVersion }) {
    const before = await readForEdit<SecurityGroup>(tx, SecurityGroupEntity, id, expectedVersion);
    if (before.isDefault) {
      const { name } = await tx.project.findUniqueOrThrow({ where: { id: before.projectId } });
      const remedy = 'It is the default group of that project, and goes with it.';
      throw new InUseError(resourceType, [{ type: 'Project', count: 1, names: [name] }], remedy);
    }
    const usedBy = await usesOf(tx, viewer, {
      VirtualMachine: { securityGroups: { some: { securityGroupId: id } } },
      SecurityRule: { remoteGroupId: id, securityGroupId: { not: id } },
    });
    if (usedBy.length > 0) throw new InUseError(resourceType, usedBy);
    await deleteVersioned(tx, SecurityGroupEntity, before); // its rules go with it
    return {
      result: { deletedSecurityGroupId: id },
      changed: [{ type: resourceType, id, before, after: null }],
    };
  },
});

// ---------------------------------------------------------------- rules

const groupSubject = (input: { securityGroupId: string }) => ({
  entity: SecurityGroupEntity,
  id: input.securityGroupId,
  path: ['securityGroupId'],
});

/** Reads the group for a change of its rules, and raises its version: the rules are a part of it. */
async function touchGroup(tx: Tx, id: string, expectedVersion: number | null | undefined) {
  const before = await readForEdit<SecurityGroup>(tx, SecurityGroupEntity, id, expectedVersion);
  const after = await raiseVersion(tx, SecurityGroupEntity, before);
  return { before, after, change: { type: resourceType, id, before, after } };
}

/** Groups that rules refer to must be the caller's to see, and of the same project. */
async function checkRemotes(
  { tx, viewer }: Pick<RunContext, 'tx' | 'viewer'>,
  group: SecurityGroup,
  rules: readonly RuleInput[],
  pathOf: (i: number) => readonly string[],
) {
  for (const [i, { remoteGroupId }] of rules.entries()) {
    if (!remoteGroupId) continue;
    const path = [...pathOf(i), 'remoteGroupId'];
    const remote = await requireVisible<{ projectId: string }>(
      tx,
      SecurityGroupEntity,
      viewer,
      remoteGroupId,
      { projectId: true },
      path,
    );
    if (remote.projectId !== group.projectId)
      throw ValidationError.of(path, 'The group belongs to another project.');
  }
}

function ruleChange(
  group: SecurityGroup,
  before: SecurityRule | null,
  after: SecurityRule | null,
): Change {
  const id = (after ?? before)?.id ?? '';
  return { type: 'SecurityRule', id, before, after, projectId: group.projectId };
}

export const createSecurityRule = defineCommand({
  name: 'securityRule.create',
  resourceType: 'SecurityRule',
  permission: 'security:update',
  subject: groupSubject,
  input: z.object({
    securityGroupId: idOf('SecurityGroup'),
    rule: ruleInput,
    expectedVersion: version,
  }),
  errors: [],
  async run(context, { securityGroupId, rule, expectedVersion }) {
    const { tx, newId } = context;
    checkRules([rule], () => ['rule']);
    const { after: group, change } = await touchGroup(tx, securityGroupId, expectedVersion);
    await checkRemotes(context, group, [rule], () => ['rule']);
    const count = await tx.securityRule.count({ where: { securityGroupId } });
    if (count >= MAX_RULES)
      throw ValidationError.of(['rule'], `A group has at most ${MAX_RULES} rules.`);
    const after = await tx.securityRule.create({
      data: { id: newId(), securityGroupId, ...ruleColumns(rule) },
    });
    return {
      result: { securityGroupId, securityRuleId: after.id },
      changed: [ruleChange(group, null, after), { ...change, derived: true }],
    };
  },
});

export const deleteSecurityRule = defineCommand({
  name: 'securityRule.delete',
  resourceType: 'SecurityRule',
  permission: 'security:update',
  subject: groupSubject,
  input: z.object({
    securityGroupId: idOf('SecurityGroup'),
    id: idOf('SecurityRule'),
    expectedVersion: version,
  }),
  errors: [],
  async run({ tx }, { securityGroupId, id, expectedVersion }) {
    const { after: group, change } = await touchGroup(tx, securityGroupId, expectedVersion);
    const before = await tx.securityRule.findFirst({ where: { id, securityGroupId } });
    if (!before) throw new NotFoundError(SecurityRuleEntity.type);
    await tx.securityRule.delete({ where: { id } });
    return {
      result: { securityGroupId, deletedSecurityRuleId: id },
      changed: [ruleChange(group, before, null), { ...change, derived: true }],
    };
  },
});

/** All or nothing, and against the version that the caller read: a lost update is impossible. */
export const replaceSecurityRules = defineCommand({
  name: 'securityGroup.replaceRules',
  resourceType,
  permission: 'security:update',
  subject: groupSubject,
  input: z.object({
    securityGroupId: idOf('SecurityGroup'),
    rules: z.array(ruleInput).max(MAX_RULES, `at most ${MAX_RULES} rules`),
    expectedVersion: version,
  }),
  errors: [],
  async run(context, { securityGroupId, rules, expectedVersion }) {
    const { tx, newId } = context;
    const pathOf = (i: number) => ['rules', String(i)];
    checkRules(rules, pathOf);
    const { before, after: group } = await touchGroup(tx, securityGroupId, expectedVersion);
    await checkRemotes(context, group, rules, pathOf);
    const old = await tx.securityRule.findMany({
      where: { securityGroupId },
      orderBy: { id: 'asc' },
    });
    await tx.securityRule.deleteMany({ where: { securityGroupId } });
    const made = await tx.securityRule.createManyAndReturn({
      data: rules.map((rule) => ({ id: newId(), securityGroupId, ...ruleColumns(rule) })),
    });
    return {
      result: { securityGroupId },
      // One entry that shows the whole set before and after, rather than one for each rule.
      changed: [
        {
          type: resourceType,
          id: securityGroupId,
          before: { ...before, rules: old },
          after: { ...group, rules: made },
        },
      ],
    };
  },
});
