/** Alerts: one open alert for each source and kind, acknowledged and resolved once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';

const Raise = graphql(`
  mutation AlertTestRaise($input: RaiseAlertInput!) {
    raiseAlert(input: $input) {
      __typename
      ... on RaiseAlertPayload { alert { id severity title count sourceName project { id } } }
      ... on UserError { code message path }
    }
  }
`);
const Acknowledge = graphql(`
  mutation AlertTestAcknowledge($input: AcknowledgeAlertInput!) {
    acknowledgeAlert(input: $input) {
      __typename
      ... on AcknowledgeAlertPayload { alert { acknowledged acknowledgedAt version } }
      ... on UserError { code }
    }
  }
`);
const Resolve = graphql(`
  mutation AlertTestResolve($input: ResolveAlertInput!) {
    resolveAlert(input: $input) { __typename ... on ResolveAlertPayload { alert { resolved version } } ... on UserError { code } }
  }
`);

let world: TestApp;
let admin: Client;
let operator: Client;
let viewer: Client;
let vm: Made;
let project: Made;

beforeAll(async () => {
  world = await createTestApp();
  project = await world.seed.project();
  vm = await world.seed.vm(project);
  await world.seed.user('ADMIN', { username: 'ada' });
  await world.seed.user('OPERATOR', { username: 'olga', projects: { [project.uuid]: 'OPERATOR' } });
  await world.seed.user('VIEWER', { username: 'vera', projects: { [project.uuid]: 'VIEWER' } });
  [admin, operator, viewer] = [
    await world.signIn('ada'),
    await world.signIn('olga'),
    await world.signIn('vera'),
  ];
});
afterAll(() => world.stop());

async function raise(input: {
  severity: 'CRITICAL' | 'WARNING' | 'INFO';
  title: string;
  sourceId?: string;
  kind?: string;
}) {
  const { raiseAlert: answer } = await admin.run(Raise, { input });
  if (answer.__typename !== 'RaiseAlertPayload' || !answer.alert)
    throw new Error(JSON.stringify(answer));
  return answer.alert;
}

describe('raising', () => {
  it('counts a repeat up, with the newer words and the worse severity', async () => {
    const first = await raise({
      severity: 'CRITICAL',
      title: 'disk full',
      sourceId: vm.id,
      kind: 'disk',
    });
    const again = await raise({
      severity: 'INFO',
      title: 'disk nearly full',
      sourceId: vm.id,
      kind: 'disk',
    });
    expect(again).toEqual({ ...first, title: 'disk nearly full', severity: 'CRITICAL', count: 2 });
    expect(first).toMatchObject({ sourceName: vm.name, project: { id: project.id } });
  });

  it('begins a new alert when the old one is resolved', async () => {
    const old = await raise({ severity: 'WARNING', title: 'slow', kind: 'slow' });
    await admin.run(Resolve, { input: { id: old.id } });
    expect((await raise({ severity: 'WARNING', title: 'slow', kind: 'slow' })).id).not.toBe(old.id);
  });

  it('refuses a source that is no such thing, and anybody but administrators', async () => {
    const wrong = await admin.run(Raise, {
      input: { severity: 'INFO', title: 'x', sourceId: 'nonsense' },
    });
    expect(wrong.raiseAlert).toMatchObject({ code: 'VALIDATION', path: ['sourceId'] });
    const forbidden = await operator.run(Raise, { input: { severity: 'INFO', title: 'x' } });
    expect(forbidden.raiseAlert).toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('acknowledging', () => {
  it('keeps the first and changes nothing the second time', async () => {
    const { id } = await raise({ severity: 'INFO', title: 'look', sourceId: vm.id, kind: 'look' });
    const first = await operator.run(Acknowledge, { input: { id } });
    const second = await admin.run(Acknowledge, { input: { id } });
    expect(first.acknowledgeAlert).toMatchObject({ alert: { acknowledged: true, version: 2 } });
    expect(second).toEqual(first);
  });

  it('is refused to a viewer, and infrastructure is for administrators', async () => {
    const ours = await raise({ severity: 'INFO', title: 'ours', sourceId: vm.id, kind: 'ours' });
    const system = await raise({ severity: 'INFO', title: 'system', kind: 'system' });
    expect(
      (await viewer.run(Acknowledge, { input: { id: ours.id } })).acknowledgeAlert,
    ).toMatchObject({ code: 'FORBIDDEN' });
    expect(
      (await operator.run(Acknowledge, { input: { id: system.id } })).acknowledgeAlert,
    ).toMatchObject({ code: 'FORBIDDEN' });
  });
});
