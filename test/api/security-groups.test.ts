/** Security groups and rules: one by one and as a whole set, and never a lost update. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import type { SecurityRuleInput } from '../gen/graphql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';

const CreateGroup = graphql(`
  mutation GroupTestCreate($input: CreateSecurityGroupInput!) {
    createSecurityGroup(input: $input) {
      __typename
      ... on CreateSecurityGroupPayload { securityGroup { id version isDefault } }
      ... on UserError { code message }
    }
  }
`);
const DeleteGroup = graphql(`
  mutation GroupTestDelete($input: DeleteSecurityGroupInput!) {
    deleteSecurityGroup(input: $input) { __typename ... on InUseError { usedBy { type count names } } ... on UserError { code } }
  }
`);
const AddRule = graphql(`
  mutation GroupTestAddRule($input: CreateSecurityRuleInput!) {
    createSecurityRule(input: $input) {
      __typename
      ... on CreateSecurityRulePayload { securityRule { id portRangeMin portRangeMax remoteCidr action priority } securityGroup { version } }
      ... on ValidationError { issues { path message } }
      ... on UserError { code message path }
    }
  }
`);
const DropRule = graphql(`
  mutation GroupTestDropRule($input: DeleteSecurityRuleInput!) {
    deleteSecurityRule(input: $input) { __typename ... on DeleteSecurityRulePayload { securityGroup { version } } ... on UserError { code } }
  }
`);
const Replace = graphql(`
  mutation GroupTestReplace($input: ReplaceSecurityRulesInput!) {
    replaceSecurityRules(input: $input) {
      __typename
      ... on ReplaceSecurityRulesPayload { securityGroup { version rules { totalCount nodes { portRangeMin remoteGroup { id } } } } }
      ... on ValidationError { issues { path } }
      ... on ConflictError { currentVersion }
      ... on UserError { code message }
    }
  }
`);

let world: TestApp;
let operator: Client;
let ours: Made & { groupUuid: string };
let theirs: Made & { groupUuid: string };

beforeAll(async () => {
  world = await createTestApp();
  ours = await world.seed.project();
  theirs = await world.seed.project();
  await world.seed.user('OPERATOR', {
    username: 'olga',
    projects: { [ours.uuid]: 'OPERATOR', [theirs.uuid]: 'VIEWER' },
  });
  operator = await world.signIn('olga');
});
afterAll(() => world.stop());

let count = 0;
async function group(): Promise<{ id: string; version: number }> {
  const { createSecurityGroup: answer } = await operator.run(CreateGroup, {
    input: { projectId: ours.id, name: `group-${++count}` },
  });
  if (answer.__typename !== 'CreateSecurityGroupPayload' || !answer.securityGroup)
    throw new Error(JSON.stringify(answer));
  return answer.securityGroup;
}
const ssh: SecurityRuleInput = { direction: 'INGRESS', protocol: 'TCP', portRangeMin: 22 };
const add = async (securityGroupId: string, rule: SecurityRuleInput) =>
  (await operator.run(AddRule, { input: { securityGroupId, rule } })).createSecurityRule;
const replace = async (input: {
  securityGroupId: string;
  rules: SecurityRuleInput[];
  expectedVersion?: number;
}) => (await operator.run(Replace, { input })).replaceSecurityRules;

describe('a rule', () => {
  it('gets what is usual where nothing is said', async () => {
    const { id } = await group();
    expect(await add(id, ssh)).toMatchObject({
      securityRule: {
        portRangeMin: 22,
        portRangeMax: 22,
        remoteCidr: null,
        action: 'ALLOW',
        priority: 100,
      },
      securityGroup: { version: 2 },
    });
  });

  it.each([
    [{ protocol: 'ICMP' as const, portRangeMin: 1 }, 'portRangeMin'],
    [{ portRangeMin: 90, portRangeMax: 80 }, 'portRangeMax'],
    [{ portRangeMin: null, portRangeMax: 80 }, 'portRangeMin'],
    [{ portRangeMin: 0 }, 'portRangeMin'],
    [{ portRangeMax: 65_536 }, 'portRangeMax'],
    [{ priority: 0 }, 'priority'],
  ])('with %j is refused', async (change, field) => {
    const { id } = await group();
    expect(await add(id, { ...ssh, ...change })).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['rule', field] }],
    });
  });

  it('refers to groups of its own project only', async () => {
    const [one, other] = [await group(), await group()];
    const foreign = Buffer.from(`SecurityGroup:${theirs.groupUuid}`).toString('base64url');
    expect(await add(one.id, { ...ssh, remoteGroupId: other.id })).toMatchObject({
      __typename: 'CreateSecurityRulePayload',
    });
    expect(await add(one.id, { ...ssh, remoteGroupId: foreign })).toMatchObject({
      code: 'VALIDATION',
      path: ['rule', 'remoteGroupId'],
    });
    expect(
      await add(one.id, { ...ssh, remoteGroupId: other.id, remoteCidr: '10.0.0.0/8' }),
    ).toMatchObject({ code: 'VALIDATION' });
  });

  it('is deleted from its own group only', async () => {
    const [one, other] = [await group(), await group()];
    const added = await add(one.id, ssh);
    const ruleId =
      added.__typename === 'CreateSecurityRulePayload' ? (added.securityRule?.id ?? '') : '';
    const drop = async (securityGroupId: string) =>
      (await operator.run(DropRule, { input: { securityGroupId, id: ruleId } })).deleteSecurityRule;
    expect(await drop(other.id)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await drop(one.id)).toMatchObject({ securityGroup: { version: 3 } });
  });
});

describe('the whole set', () => {
  it('is replaced at once', async () => {
    const { id } = await group();
    await add(id, ssh);
    const answer = await replace({
      securityGroupId: id,
      // Two priorities: equal ones are ordered by id, which two rules of one millisecond do not decide.
      rules: [80, 443].map((p) => ({ ...ssh, portRangeMin: p, priority: p })),
    });
    expect(answer).toMatchObject({
      securityGroup: {
        version: 3,
        rules: { totalCount: 2, nodes: [{ portRangeMin: 80 }, { portRangeMin: 443 }] },
      },
    });
  });

  it('stays as it is when one rule is wrong', async () => {
    const { id } = await group();
    await add(id, ssh);
    const answer = await replace({
      securityGroupId: id,
      rules: [ssh, { ...ssh, protocol: 'ANY' }],
    });
    expect(answer).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['rules', '1', 'portRangeMin'] }],
    });
    expect(
      await world.data.db.securityRule.count({
        where: { portRangeMin: 22, securityGroup: { name: `group-${count}` } },
      }),
    ).toBe(1);
  });

  it('is refused when somebody changed a rule since it was read, and ten at once leave one winner', async () => {
    const { id, version } = await group();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        replace({
          securityGroupId: id,
          rules: [{ ...ssh, portRangeMin: 1000 + i }],
          expectedVersion: version,
        }),
      ),
    );
    expect(answers.filter((a) => a.__typename === 'ReplaceSecurityRulesPayload')).toHaveLength(1);
    expect(answers.filter((a) => a.__typename === 'ConflictError')).toHaveLength(9);
    expect(
      await replace({ securityGroupId: id, rules: [], expectedVersion: version }),
    ).toMatchObject({ code: 'CONFLICT', currentVersion: version + 1 });
  });
});

describe('deleting a group', () => {
  const remove = async (id: string) =>
    (await operator.run(DeleteGroup, { input: { id } })).deleteSecurityGroup;

  it('is refused for the default group', async () => {
    const id = Buffer.from(`SecurityGroup:${ours.groupUuid}`).toString('base64url');
    expect(await remove(id)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'Project', count: 1, names: [ours.name] }],
    });
  });

  it('is refused while machines or rules of other groups use it, and its own rules go with it', async () => {
    const [one, other] = [await group(), await group()];
    await add(other.id, { ...ssh, remoteGroupId: one.id });
    await add(one.id, { ...ssh, remoteGroupId: one.id });
    expect(await remove(one.id)).toMatchObject({
      code: 'IN_USE',
      usedBy: [{ type: 'SecurityRule', count: 1 }],
    });
    expect(await remove(other.id)).toMatchObject({ __typename: 'DeleteSecurityGroupPayload' });
    expect(await remove(one.id)).toMatchObject({ __typename: 'DeleteSecurityGroupPayload' });
  });

  it('is forbidden to a viewer of the project', async () => {
    const id = Buffer.from(`SecurityGroup:${theirs.groupUuid}`).toString('base64url');
    expect(await remove(id)).toMatchObject({ code: 'FORBIDDEN' });
  });
});
