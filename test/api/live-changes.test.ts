/** Subscriptions to machines and tasks, over server-sent events: what comes, for whom, and what is left when the client goes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { graphql } from '../gen/gql.js';
import type {
  LiveTaskChangedSubscription,
  LiveVmChangedSubscription,
  LiveVmChangedSubscriptionVariables,
} from '../gen/graphql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { createStage, mutate, type Stage } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';
import { createTestAgent } from '../support/test-agent.js';
import { createTestClock } from '../support/test-clock.js';
import { until } from '../support/until.js';
import { type Watch, watch } from '../support/watch.js';

const VmChanged = graphql(`
  subscription LiveVmChanged($id: ID, $projectId: ID) {
    virtualMachineChanged(id: $id, projectId: $projectId) {
      kind id droppedCount
      virtualMachine { id name powerState desiredState description currentTask { operation } }
    }
  }
`);
const TaskChanged = graphql(`
  subscription LiveTaskChanged($id: ID!) {
    taskChanged(id: $id) { kind id droppedCount task { status progressPercent error { code message } } }
  }
`);

// In step with real time: sessions end by it, and subscriptions with them.
const clock = createTestClock(Date.now());
let world: TestApp;
let stage: Stage;
let operator: Client;
beforeAll(async () => {
  world = await createTestApp({ clock });
  stage = await createStage(world);
  const projects = { [stage.project.uuid]: 'OPERATOR' } as const;
  await world.seed.user('OPERATOR', { username: 'olga', projects });
  operator = await world.signIn('olga');
});
afterAll(() => world.stop());

type VmWatch = Watch<LiveVmChangedSubscription>;
const vmEvent = async (events: VmWatch) => (await events.next()).virtualMachineChanged;
const taskEvent = async (events: Watch<LiveTaskChangedSubscription>) =>
  (await events.next()).taskChanged;
const watchVm = (client: Client, variables: LiveVmChangedSubscriptionVariables) =>
  watch(client, VmChanged, variables);
const watchTask = (client: Client, id: string) => watch(client, TaskChanged, { id });

const rename = (vm: Made, description: string) =>
  mutate(stage.admin, 'updateVirtualMachine', { id: vm.id, description });
const newVm = () => world.seed.vm(stage.project, { cluster: stage.cluster });

/** What open subscriptions cost, as far as it can be counted. */
async function cost() {
  const { values } = await world.app.services.metrics.subscribers.get();
  const open = values.reduce((sum, { value }) => sum + value, 0);
  return { listeners: world.app.services.hints.listeners(), open };
}

/** The same when nobody subscribes to anything any more. */
async function quiet() {
  await until('nothing is open', async () => (await cost()).open === 0);
  return cost();
}

describe('a machine', () => {
  it('comes first as it is, and then with each change, read afresh', async () => {
    const vm = await newVm();
    const events = await watchVm(operator, { id: vm.id });
    expect(await vmEvent(events)).toMatchObject({
      kind: 'SNAPSHOT',
      id: vm.id,
      droppedCount: 0,
      virtualMachine: { name: vm.name, powerState: 'STOPPED', currentTask: null },
    });
    await rename(vm, 'first');
    expect(await vmEvent(events)).toMatchObject({
      kind: 'UPDATED',
      virtualMachine: { description: 'first' },
    });
    await operate(operator, 'START', vm.id);
    expect(await vmEvent(events)).toMatchObject({
      kind: 'UPDATED',
      virtualMachine: { desiredState: 'RUNNING', currentTask: { operation: 'START' } },
    });
    events.hangUp();
  });

  it('that is deleted says so, without the machine', async () => {
    const vm = await newVm();
    const events = await watchVm(operator, { id: vm.id });
    await vmEvent(events);
    await operate(operator, 'DELETE', vm.id);
    expect(await vmEvent(events)).toEqual({
      kind: 'DELETED',
      id: vm.id,
      droppedCount: 0,
      virtualMachine: null,
    });
    events.hangUp();
  });
});

describe('the machines of a project', () => {
  it('come all, then each that is created, changed or deleted', async () => {
    const project = await world.seed.project();
    const [one, two] = [await world.seed.vm(project), await world.seed.vm(project)];
    const events = await watchVm(stage.admin, { projectId: project.id });
    const first = [await vmEvent(events), await vmEvent(events)];
    expect(first.map((e) => [e.kind, e.id])).toEqual([
      ['SNAPSHOT', one.id],
      ['SNAPSHOT', two.id],
    ]);
    const created = await mutate(stage.admin, 'createVirtualMachine', {
      projectId: project.id,
      name: 'third',
      spec: { cpu: { cores: 1 }, memory: { sizeMib: 512 } },
    });
    expect(await vmEvent(events)).toMatchObject({
      kind: 'CREATED',
      id: (created.virtualMachine as { id: string }).id,
      virtualMachine: { name: 'third' },
    });
    await rename(two, 'second');
    expect(await vmEvent(events)).toMatchObject({ kind: 'UPDATED', id: two.id });
    events.hangUp();
  });

  it('are not mixed with those of other projects', async () => {
    const [mine, other] = [await world.seed.project(), await world.seed.project()];
    const [vm, foreign] = [await world.seed.vm(mine), await world.seed.vm(other)];
    const events = await watchVm(stage.admin, { projectId: mine.id });
    await vmEvent(events);
    await rename(foreign, 'elsewhere');
    await rename(vm, 'here');
    expect(await vmEvent(events)).toMatchObject({
      id: vm.id,
      virtualMachine: { description: 'here' },
    });
    events.hangUp();
  });
});

describe('a task', () => {
  it('is followed from its beginning over its progress to its end', async () => {
    const cluster = await world.seed.cluster();
    const agent = await createTestAgent(world, await world.seed.node(cluster), {
      clock: clock.source,
    });
    const vm = await world.seed.vm(stage.project, { cluster });
    const { task } = await operate(operator, 'START', vm.id);
    const events = await watchTask(operator, task?.id ?? '');
    expect(await taskEvent(events)).toMatchObject({
      kind: 'SNAPSHOT',
      task: { status: 'PENDING', progressPercent: 0 },
    });
    await agent.report();
    for (const progressPercent of [20, 60]) {
      clock.advance(progressPercent === 20 ? 300 : 600);
      await agent.report();
      expect(await taskEvent(events)).toMatchObject({
        kind: 'UPDATED',
        task: { status: 'RUNNING', progressPercent },
      });
    }
    clock.advance(60_000);
    await agent.report();
    expect(await taskEvent(events)).toMatchObject({
      task: { status: 'SUCCEEDED', progressPercent: 100, error: null },
    });
    events.hangUp();
  });
});

describe('what cannot be watched', () => {
  it.each([
    ['neither', {}],
    ['both', { id: 'x', projectId: 'y' }],
  ])('%s of id and project is a mistake of the caller', async (_case, variables) => {
    const events = await watchVm(operator, variables);
    expect(await events.event()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT', path: ['id'] } }],
    });
    expect(await events.event()).toBeNull();
  });

  it('an id of something else is a mistake, too', async () => {
    const events = await watchVm(operator, { id: stage.project.id });
    expect(await events.event()).toMatchObject({
      errors: [
        {
          message: expect.stringContaining('id of a Project'),
          extensions: { code: 'BAD_USER_INPUT' },
        },
      ],
    });
  });

  it('nothing is to be had without signing in', async () => {
    const events = await watchVm(world.anonymous, { id: stage.node.id });
    expect(await events.event()).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  it('none of these leaves anything behind', async () => {
    await quiet();
  });
});

describe('what is not there', () => {
  it('is told at once, and what is hidden is told in the same words', async () => {
    await world.seed.user('OPERATOR', { username: 'other' });
    const other = await world.signIn('other');
    const vm = await newVm();
    const { task } = await operate(operator, 'START', vm.id);
    const never = (type: string) => encodeGlobalId(type, newId());
    const { listeners } = await quiet();
    for (const [hidden, absent, path] of [
      [{ id: vm.id }, { id: never('VirtualMachine') }, 'id'],
      [{ projectId: stage.project.id }, { projectId: never('Project') }, 'projectId'],
    ] as const) {
      const answers = [];
      for (const variables of [hidden, absent]) {
        const events = await watchVm(other, variables);
        answers.push(await events.event());
        expect(await events.event()).toBeNull();
      }
      expect(answers[0]).toEqual(answers[1]);
      expect(answers[0]).toMatchObject({
        errors: [{ extensions: { code: 'NOT_FOUND', path: [path], retryable: false } }],
      });
    }
    const answers = [];
    for (const id of [task?.id ?? '', never('Task')]) {
      const events = await watchTask(other, id);
      answers.push(await events.event());
      expect(await events.event()).toBeNull();
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).toMatchObject({ errors: [{ extensions: { code: 'NOT_FOUND' } }] });
    expect(await cost()).toMatchObject({ listeners });
  });

  it('is not so for a project without machines: the first one comes', async () => {
    const project = await world.seed.project();
    const { listeners } = await quiet();
    const events = await watchVm(stage.admin, { projectId: project.id });
    const first = vmEvent(events);
    await until('the subscription listens', async () => (await cost()).listeners > listeners);
    const input = { projectId: project.id, name: 'first' };
    const spec = { cpu: { cores: 1 }, memory: { sizeMib: 512 } };
    await mutate(stage.admin, 'createVirtualMachine', { ...input, spec });
    expect(await first).toMatchObject({ kind: 'CREATED', virtualMachine: { name: 'first' } });
    events.hangUp();
  });
});
