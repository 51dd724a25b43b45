/** `waitForTask`: one answer when a task is finished, or when the time is over; whatever ends it, nothing of it is left. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeGlobalId, newId } from '../../src/ids.js';
import { MAX_WAITERS } from '../../src/modules/task/wait.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import type { Made } from '../support/seed.js';
import { until } from '../support/until.js';

const QUERY = `query($id: ID!, $timeoutMs: Int) {
  waitForTask(id: $id, timeoutMs: $timeoutMs) { id status resourceName virtualMachine { name } }
}`;
interface Waited {
  readonly waitForTask: { readonly status: string } | null;
}

let world: TestApp;
let admin: Client;
let operator: Client;
let project: Made;
/** Those that listen for a request: every app has one of its own besides. */
const listeners = ({ app } = world) => app.services.hints.listeners() - 1;

beforeAll(async () => {
  world = await createTestApp();
  project = await world.seed.project();
  await world.seed.user('ADMIN', { username: 'ada' });
  await world.seed.user('OPERATOR', { username: 'olga' });
  [admin, operator] = [await world.signIn('ada'), await world.signIn('olga')];
});
afterAll(() => world.stop());

const wait = (client: Client, id: string, timeoutMs?: number | null) =>
  client.answer<Waited, unknown>(QUERY, { id, timeoutMs });
/** A task that is at work; each on a machine of its own, which may have one only. */
const running = async (in_ = world) => {
  const vm = await in_.seed.vm(project);
  return in_.seed.task(project, vm, { status: 'RUNNING', finishedAt: null });
};
/** Ends it as an agent's report does: the row, then the hint. */
async function finish({ uuid }: Made, { app, data } = world): Promise<void> {
  const end = { status: 'SUCCEEDED', progressPercent: 100, finishedAt: new Date() } as const;
  await data.db.task.update({ where: { id: uuid }, data: end });
  await tell(uuid, app);
}
const tell = (id: string, { services } = world.app) =>
  services.hints.announce([{ type: 'Task', id, projectId: project.uuid, kind: 'UPDATED' }]);

describe('a task', () => {
  it('is answered as soon as it is finished', async () => {
    const task = await running();
    const started = performance.now();
    const answering = wait(admin, task.id, 25_000);
    await until('somebody listens', () => listeners() === 1);
    await finish(task);
    const { data, errors } = await answering;
    expect(errors).toEqual([]);
    expect(data?.waitForTask).toEqual({
      id: task.id,
      status: 'SUCCEEDED',
      resourceName: task.name,
      virtualMachine: { name: task.name },
    });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(listeners()).toBe(0);
  });

  it('that finished before is answered at once', async () => {
    const task = await world.seed.task(project, await world.seed.vm(project));
    const statements = await world.statementsOf(async () => {
      expect((await wait(admin, task.id)).data?.waitForTask?.status).toBe('SUCCEEDED');
    });
    expect(statements.filter((sql) => sql.includes('"tasks"'))).toHaveLength(2);
  });

  it('is still waited for when a hint says that it changed but did not finish', async () => {
    const task = await running();
    const answering = wait(admin, task.id, 25_000);
    await until('somebody listens', () => listeners() === 1);
    await tell(task.uuid);
    await finish(task);
    expect((await answering).data?.waitForTask?.status).toBe('SUCCEEDED');
  });

  it('is found to be finished without a hint, too', async () => {
    const task = await running();
    const answering = wait(admin, task.id, 25_000);
    await until('somebody listens', () => listeners() === 1);
    await world.data.db.task.update({
      where: { id: task.uuid },
      data: { status: 'FAILED', errorCode: 'LOST', finishedAt: new Date() },
    });
    expect((await answering).data?.waitForTask?.status).toBe('FAILED');
  });

  it('that takes longer is answered as it is when the time is over', async () => {
    const task = await running();
    for (const timeoutMs of [0, 50]) {
      const { data, errors } = await wait(admin, task.id, timeoutMs);
      expect([data?.waitForTask?.status, errors]).toEqual(['RUNNING', []]);
    }
    expect(listeners()).toBe(0);
  });

  it('of others is not there, and neither is one that never was: without waiting', async () => {
    const task = await running();
    for (const id of [task.id, encodeGlobalId('Task', newId())]) {
      const { data, errors } = await wait(operator, id);
      expect([data?.waitForTask, errors]).toEqual([null, []]);
    }
    const { errors } = await wait(world.anonymous, task.id);
    expect(errors.map((e) => e.extensions.code)).toEqual(['UNAUTHENTICATED']);
  });

  it.each([
    ['a negative time', () => running(), -1, ['timeoutMs']],
    ['the id of something else', async () => project, 0, ['id']],
  ] as const)('is not waited for with %s', async (_what, make, timeoutMs, path) => {
    const { errors } = await wait(admin, (await make()).id, timeoutMs);
    expect(errors.map((e) => e.extensions)).toMatchObject([{ code: 'BAD_USER_INPUT', path }]);
  });
});

describe('whoever waits', () => {
  it('and goes away leaves nothing behind', async () => {
    const task = await running();
    const hangUp = new AbortController();
    const gone = admin
      .raw({
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${admin.token}` },
        body: JSON.stringify({ query: QUERY, variables: { id: task.id } }),
        signal: hangUp.signal,
      })
      .catch(() => 'gone');
    await until('somebody listens', () => listeners() === 1);
    hangUp.abort();
    await until('nobody listens', () => listeners() === 0);
    await gone;
  });

  it('is answered before the request itself is given up', async () => {
    const server = { ...world.app.services.config.server, requestTimeoutMs: 400 };
    const hasty = await createTestApp({ data: world.data, config: { server } });
    const task = await running();
    const { data, errors } = await wait(hasty.withToken(await tokenFor(hasty)), task.id, 60_000);
    expect([data?.waitForTask?.status, errors]).toEqual(['RUNNING', []]);
    await hasty.stop();
  });

  it('is answered when the server is asked to stop', async () => {
    const other = await createTestApp({ data: world.data });
    const task = await running();
    const answering = wait(other.withToken(await tokenFor(other)), task.id);
    await until('somebody listens', () => listeners(other) === 1);
    const stopping = other.stop();
    expect((await answering).data?.waitForTask?.status).toBe('RUNNING');
    await stopping;
  });

  it('is one of a bounded number: one too many is told to come again, until others have gone', async () => {
    const task = await running();
    const aliases = Array.from({ length: 50 }, (_, i) => `w${i}: waitForTask(id: $id) { status }`);
    const many = `query($id: ID!) { ${aliases.join(' ')} }`;
    const requests = Array.from({ length: MAX_WAITERS / 50 }, () =>
      admin.answer<Record<string, { status: string }>, unknown>(many, { id: task.id }),
    );
    await until('all of them listen', () => listeners() === MAX_WAITERS);
    const { errors } = await wait(admin, task.id);
    expect(errors.map((e) => e.extensions)).toMatchObject([{ code: 'UNAVAILABLE' }]);
    await finish(task);
    for (const { data } of await Promise.all(requests)) expect(data?.w49?.status).toBe('SUCCEEDED');
    expect((await wait(admin, task.id)).data?.waitForTask?.status).toBe('SUCCEEDED');
  });

  const tokenFor = (app: TestApp) => app.anonymous.login('ada', app.seed.password);
});
