/**
 * What becomes of callers while Redis is away: at start, killed under load, frozen. They are served, the instance says that it goes on
 * without, and it returns to Redis by itself.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import type { Ephemeral } from '../../src/ephemeral/ephemeral.js';
import { createTestApp, openTestData, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import { healed, lost, redisOptions } from '../support/redis-config.js';
import { type RedisHandle, startRedis } from '../support/services/redis.js';
import { createTestAgent, type TestAgent } from '../support/test-agent.js';
import { until } from '../support/until.js';
import { watch } from '../support/watch.js';

const overrides = { commandTimeoutMs: 200, connectTimeoutMs: 1_000 };

let server: RedisHandle;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.dispose());

describe('an instance', () => {
  let data: Data;
  const apps: TestApp[] = [];
  const open = async (): Promise<TestApp> => {
    const config = {
      mode: 'production',
      redis: redisOptions(server, overrides),
      auth: { jwtSecret: 'x'.repeat(32) },
    } as const;
    const app = await createTestApp({ data, config });
    apps.push(app);
    return app;
  };
  const ephemeralOf = ({ app }: TestApp): Ephemeral => app.services.ephemeral;
  const ME =
    '{ viewer { __typename } nodes: hypervisorNodes { nodes { id metrics { cpuPercent } } } }';
  const ask = (client: Client) =>
    client.answer<{ viewer: unknown; nodes: { nodes: { metrics: unknown }[] } }, never>(ME);
  const isSignedIn = async (client: Client) => (await ask(client)).errors.length === 0;
  const logout = (client: Client) => client.answer('mutation { logout(input: {}) { __typename } }');
  const readiness = async ({ anonymous }: TestApp) => {
    const response = await anonymous.raw({ path: '/readyz' });
    return { status: response.status, ...((await response.json()) as { degraded: string[] }) };
  };
  const figure = async ({ anonymous }: TestApp, name: string) => {
    const text = await (await anonymous.raw({ path: '/metrics' })).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  };
  let agent: TestAgent;
  let one: TestApp;
  let other: TestApp;

  beforeAll(async () => {
    data = await openTestData('memory');
    one = await open();
    other = await open();
    await one.seed.user('ADMIN', { username: 'ada' });
    agent = await createTestAgent(one, await one.seed.node(await one.seed.cluster()));
  });
  afterAll(async () => {
    server.resume();
    await Promise.all(apps.map((app) => app.stop()));
    await data.close();
  });

  it('that starts without Redis serves at once, says so, and takes what happened with it when Redis comes', async () => {
    const elsewhere = await other.signIn('ada');
    await server.stop();
    const late = await open();
    const ada = await late.signIn('ada');
    const gone = await late.signIn('ada');
    await logout(gone);
    const answer = await ask(ada);
    expect(answer.errors).toEqual([]);
    expect(answer.extensions.degraded).toContain('redis');
    expect((await readiness(late)).degraded).toContain('redis');
    expect([
      await isSignedIn(gone),
      await isSignedIn(late.withToken(elsewhere.token ?? '')),
    ]).toEqual([false, true]);
    await server.restart();
    await Promise.all([late, one, other].map((app) => healed(ephemeralOf(app))));
    expect((await ask(ada)).extensions.degraded).not.toContain('redis');
    expect((await readiness(late)).degraded).not.toContain('redis');
    expect(await isSignedIn(other.withToken(ada.token ?? ''))).toBe(true);
    expect(await isSignedIn(other.withToken(gone.token ?? ''))).toBe(false);
  });

  it('under load: nobody sees an error because Redis was killed and came back empty', async () => {
    const ada = await one.signIn('ada');
    let going = true;
    const faults: unknown[] = [];
    let served = 0;
    const caller = async (app: TestApp): Promise<void> => {
      const mine = app.withToken(ada.token ?? '');
      while (going) {
        const { errors } = await ask(mine);
        faults.push(...errors);
        const made = await mutate(ada, 'createCluster', { name: `load-${served}-${randomUUID()}` });
        served += 1;
        await turn(); // nothing else of this loop waits for anything outside
        if (made.__typename !== 'CreateClusterPayload') faults.push(made);
      }
    };
    const reporter = async (): Promise<void> => {
      while (going) {
        await agent.report().catch((error: unknown) => faults.push(error));
        await turn();
      }
    };
    const load = [caller(one), caller(one), caller(other), reporter()];
    const seen = async (count: number) => {
      const before = served;
      await until('more was served', () => served >= before + count);
    };
    try {
      await seen(3);
      await server.kill();
      await Promise.all([one, other].map((app) => lost(ephemeralOf(app))));
      await seen(8);
    } finally {
      going = false;
    }
    await Promise.all(load);
    expect(await figure(one, 'quantix_redis_up')).toBe(0);
    expect(faults).toEqual([]);
    await server.restart();
    await Promise.all([one, other].map((app) => healed(ephemeralOf(app))));
    expect(await figure(one, 'quantix_redis_up')).toBe(1);
    expect(await figure(one, 'quantix_after_commit_failures_total')).toBe(0);
    expect(await isSignedIn(ada)).toBe(false);
    expect(await isSignedIn(await one.signIn('ada'))).toBe(true);
  });

  it('shows metrics that were reported to it while Redis was away, and others as absent', async () => {
    const ada = await one.signIn('ada');
    const there = other.withToken(ada.token ?? '');
    server.pause();
    await agent.report();
    await Promise.all([one, other].map((app) => lost(ephemeralOf(app))));
    const metricsIn = async (client: Client) => (await ask(client)).data?.nodes.nodes[0]?.metrics;
    expect(await metricsIn(ada)).toMatchObject({ cpuPercent: expect.any(Number) });
    expect(await metricsIn(there)).toBeNull();
    server.resume();
    await Promise.all([one, other].map((app) => healed(ephemeralOf(app))));
    expect(await metricsIn(there)).toMatchObject({ cpuPercent: expect.any(Number) });
  });

  it('gives out no console ticket while Redis is away, and redeems none that it cannot see', async () => {
    const ada = await one.signIn('ada');
    const cluster = await one.seed.cluster();
    const node = await one.seed.node(cluster);
    const project = await one.seed.project();
    const vm = await one.seed.vm(project, { cluster, node, powerState: 'RUNNING' });
    const proxy = one.withToken(await one.seed.agentToken(node));
    const issue = () =>
      ada.answer<{ issueConsoleTicket: { token: string } }, never>(
        `mutation ($input: IssueConsoleTicketInput!) {
          issueConsoleTicket(input: $input) { __typename ... on IssueConsoleTicketPayload { token } }
        }`,
        { input: { virtualMachineId: vm.id } },
      );
    const redeem = (token: string) =>
      proxy.answer<{ redeemConsoleTicket: { __typename: string } }, never>(
        `mutation ($input: RedeemConsoleTicketInput!) { redeemConsoleTicket(input: $input) { __typename } }`,
        { input: { nodeId: node.id, token } },
      );
    const token = (await issue()).data?.issueConsoleTicket.token ?? '';
    server.pause();
    const away = { code: 'UNAVAILABLE', retryable: true };
    expect((await redeem(token)).errors).toMatchObject([{ extensions: away }]);
    expect((await issue()).errors).toMatchObject([{ extensions: away }]);
    expect((await redeem(token)).errors).toMatchObject([{ extensions: away }]);
    server.resume();
    await healed(ephemeralOf(one));
    expect((await redeem(token)).data?.redeemConsoleTicket.__typename).toBe(
      'RedeemConsoleTicketPayload',
    );
    expect((await redeem(token)).data?.redeemConsoleTicket.__typename).toBe('NotFoundError');
  });

  it('keeps its own subscribers live without Redis, and tells them to read afresh when it is back', async () => {
    // A session would have ended with what Redis knew of it.
    const { token } = await one.seed.apiToken(await one.seed.user('ADMIN'));
    const ada = one.withToken(token);
    const project = await one.seed.project();
    const vm = await one.seed.vm(project);
    const VmChanged = `subscription ($id: ID!) {
      virtualMachineChanged(id: $id) { kind virtualMachine { description } }
    }`;
    const events = await watch(ada, VmChanged as never, { id: vm.id } as never);
    const next = async () =>
      ((await events.next()) as { virtualMachineChanged: object }).virtualMachineChanged;
    expect(await next()).toMatchObject({ kind: 'SNAPSHOT' });
    await server.kill();
    await lost(ephemeralOf(one));
    await mutate(ada, 'updateVirtualMachine', { id: vm.id, description: 'without' });
    expect(await next()).toMatchObject({ virtualMachine: { description: 'without' } });
    await server.restart();
    await healed(ephemeralOf(one));
    // What is told again then is for those who missed it: here it was heard.
    expect(await next()).toMatchObject({ kind: 'RESYNC' });
    events.hangUp();
  });
});
