/** A datacenter on its real database, with agents as processes of their own: machines run, and survive whoever is killed. */
import { cpus, totalmem } from 'node:os';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Client } from '../support/client.js';
import { type Installation, install } from '../support/installation.js';
import { Program, runProgram, type Served } from '../support/program.js';
import { freePorts } from '../support/services/ports.js';
import { until } from '../support/until.js';
import { expectFailure } from './expectations.js';
import {
  createCluster,
  createMachine,
  createProject,
  enrolNode,
  finished,
  machine,
  nodes,
  ready,
  rebootMachine,
  startMachine,
  task,
} from './operations.js';

vi.setConfig({ testTimeout: 120_000 });

let installation: Installation;
let served: Served;
let port: number;
let url: string;
let ada: Client;
let agent: Program;
let agentToken: string;
const programs: Program[] = [];

/** Always on the same port, as an agent's configuration names one. */
async function startServer(): Promise<void> {
  served = await installation.serve(['--port', String(port)]);
  programs.push(served.program);
  ada = await served.signIn('ada', installation.password);
}

async function startAgent(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Program> {
  const program = await Program.start(['agent', '--server', url, ...args], { env });
  programs.push(program);
  return program;
}

beforeAll(async () => {
  installation = await install({ agent: { report_interval: '200ms' } });
  await installation.createUser('ada', 'ADMIN');
  [port = 0] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  await startServer();
});
afterAll(async () => {
  await Promise.all(programs.map((program) => program.dispose()));
});

describe('an agent', () => {
  it.each([
    ['a token that nobody issued', 'qxa_nobody_issued_this', /Sign in/],
    ['a token that is none', 'nonsense', /Sign in/],
  ])('with %s ends with exit code 1 and says why', async (_what, token, message) => {
    expectFailure(await runProgram(['agent', '--server', url, '--token', token]), 1, message);
    expectFailure(
      await runProgram(['agent', '--server', url, '--token', token, '--simulate', '2']),
      1,
      message,
    );
  });

  it('with the token of a user is told what it needs', async () => {
    const finished = await runProgram(['agent', '--server', url, '--token', ada.token ?? '']);
    expectFailure(
      finished,
      1,
      'The token belongs to ada, not to a node. Make one with issueAgentToken.',
    );
  });

  it.each([
    ['one', []],
    ['simulated ones', ['--simulate', '2']],
  ])(
    '(%s) waits for a control plane that is not there yet, and stops when it is told to',
    async (_what, options) => {
      const [nobody] = await freePorts(1);
      const words = ['agent', '--server', `http://127.0.0.1:${nobody}`, ...options];
      const waiting = await Program.start(words, { env: { QUANTIX_TOKEN: 'x' } });
      programs.push(waiting);
      await waiting.logged('the control plane does not answer yet');
      expect(await waiting.stop('SIGINT')).toEqual({ code: 0, signal: null });
      expect(waiting.stderr).toBe('');
    },
  );

  it('reports the real figures of this machine, its token coming from the environment', async () => {
    const enrolled = await enrolNode(ada, await createCluster(ada, 'one'), 'here');
    agentToken = enrolled.token;
    agent = await startAgent([], { QUANTIX_TOKEN: agentToken });
    const node = await ready(ada, 'here');
    const memoryMib = totalmem() / 1024 / 1024;
    expect(node.spec?.memory.totalMib).toBeGreaterThan(memoryMib * 0.98);
    expect(node.spec?.memory.totalMib).toBeLessThan(memoryMib * 1.02);
    const { sockets = 0, coresPerSocket = 0, threadsPerCore = 0 } = node.spec?.cpu ?? {};
    expect(sockets * coresPerSocket * threadsPerCore).toBe(cpus().length);
    expect(node.systemInfo?.os).toMatch(/\w/);
    const { metrics } = await until('metrics', async () => {
      const [known] = await nodes(ada);
      return known?.metrics && known;
    });
    expect(metrics?.memoryTotalMib).toBeCloseTo(memoryMib, -2);
    expect(metrics?.memoryUsedMib).toBeGreaterThan(100);
    expect(metrics?.uptimeSeconds).toBeGreaterThan(1);
  });
});

describe('a virtual machine', () => {
  let vm: string;
  const runs = () =>
    until('it runs', async () => (await machine(ada, vm)).powerState === 'RUNNING', 60_000);

  it('is placed and started', async () => {
    vm = await createMachine(ada, await createProject(ada, 'shop'), 'web');
    expect((await finished(ada, await startMachine(ada, vm))).status).toBe('SUCCEEDED');
    expect(await machine(ada, vm)).toMatchObject({
      powerState: 'RUNNING',
      hypervisorNode: { hostname: 'here' },
    });
  });

  it('is rebooted although the control plane is killed meanwhile and started again', async () => {
    const reboot = await rebootMachine(ada, vm);
    await until('the reboot has begun', async () => (await task(ada, reboot)).status === 'RUNNING');
    served.program.signal('SIGKILL');
    expect(await served.program.end()).toEqual({ code: null, signal: 'SIGKILL' });
    await startServer();
    expect(await finished(ada, reboot)).toMatchObject({ status: 'SUCCEEDED', error: null });
    await runs();
    expect(agent.running).toBe(true);
    expect(agent.stderr).toBe('');
  });

  it('comes back when the agent was killed and is started again', async () => {
    agent.signal('SIGKILL');
    await agent.end();
    agent = await startAgent(['--token', agentToken]);
    const { desiredState } = await agent.logged(
      'assignment',
      (line) => line.virtualMachine === 'web',
    );
    expect(desiredState).toBe('RUNNING');
    await runs();
  });

  it('comes back when both were killed and started again', async () => {
    for (const program of [agent, served.program]) program.signal('SIGKILL');
    await Promise.all([agent.end(), served.program.end()]);
    agent = await startAgent(['--token', agentToken]);
    await startServer();
    await agent.logged('assignment', (line) => line.virtualMachine === 'web');
    await runs();
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });
});

it('twenty simulated nodes register, report and stop together', async () => {
  const simulated = await startAgent(['--simulate', '20'], { QUANTIX_TOKEN: ada.token ?? '' });
  await simulated.logged('simulated nodes are running', ({ count }) => count === 20);
  const all = await until(
    'all of them',
    async () => {
      const known = (await nodes(ada)).filter((node) => node.hostname.startsWith('sim-'));
      return (
        known.every((node) => node.phase === 'READY' && node.metrics) &&
        known.length === 20 &&
        known
      );
    },
    60_000,
  );
  expect(new Set(all.map(({ hostname }) => hostname)).size).toBe(20);
  expect(await simulated.stop()).toEqual({ code: 0, signal: null });
  expect(simulated.stderr).toBe('');
});

it('nothing of all this was written to standard error', async () => {
  expect(await served.program.stop()).toEqual({ code: 0, signal: null });
  for (const program of programs) expect(program.stderr).toBe('');
});
