/** Dev mode: the demo data set, and for each of its nodes the same agent as a real one has, in this process. */
import { setMaxListeners } from 'node:events';
import { runAgent } from '../../agent/agent.js';
import { preloadedHypervisor } from '../../agent/preload.js';
import { createSimulatedJobs } from '../../agent/simulated-jobs.js';
import { createSimulatedMachine } from '../../agent/simulated-machine.js';
import { openTransport } from '../../agent/transport.js';
import type { NodeSpec } from '../../agent/types.js';
import type { App } from '../../app.js';
import { systemViewer } from '../../core/authz.js';
import { execute } from '../../core/execute.js';
import { encodeGlobalId, newId } from '../../ids.js';
import type { Logger } from '../../log.js';
import { issueAgentToken } from '../../modules/node/commands.js';
import { capacityOf } from '../../modules/node/rules.js';
import { VERSION } from '../../version.js';
import { DEMO_USERS, hashDemoPasswords, seedDemo } from './seed.js';

export interface Demo {
  greeting(url: string): string;
  /** Begins the agents. They take a second to come up, and nobody has to wait for that. */
  start(): void;
  stop(): Promise<void>;
}

/** Begins what takes a while on other threads. What it returns fills the app's empty database. */
export function beginDemo(): (app: App, log: Logger) => Promise<Demo> {
  const hashes = hashDemoPasswords();
  hashes.catch(() => {}); // told when they are needed
  return async (app, log) => openDemo(app, log, await hashes);
}

async function openDemo(app: App, log: Logger, hashes: readonly string[]): Promise<Demo> {
  const { services } = app;
  const { nodeIds } = await seedDemo(services.data, { now: services.clock.now(), hashes });
  const stopping = new AbortController();
  const { signal } = stopping;
  setMaxListeners(0, signal); // each agent listens
  let agents: Promise<unknown> = Promise.resolve();
  const runNode = (id: string) =>
    runDemoAgent(app, id, log, signal).catch((err: unknown) => {
      if (!signal.aborted) log.error({ err, node: id }, 'a demo agent ended');
    });
  return {
    greeting,
    start() {
      agents = Promise.all(nodeIds.map(runNode));
    },
    async stop() {
      stopping.abort();
      await agents;
    },
  };
}

/** Runs the agent of one node until the signal aborts. */
async function runDemoAgent(
  app: App,
  nodeId: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const token = await tokenFor(app, nodeId, signal);
  if (signal.aborted) return;
  const node = await app.services.data.db.node.findUniqueOrThrow({
    where: { id: nodeId },
    include: { virtualMachines: true },
  });
  if (signal.aborted) return;
  const hypervisor = preloadedHypervisor(
    node.hostname,
    node.virtualMachines.map((vm) => ({
      virtualMachineId: encodeGlobalId('VirtualMachine', vm.id),
      name: vm.name,
      powerState: vm.powerState,
      generation: vm.generation,
      ipAddresses: vm.ipAddresses,
      spec: { ...capacityOf(vm.resources), guestOs: null },
    })),
  );
  const machine = createSimulatedMachine({
    seed: node.hostname,
    workload: hypervisor.workload,
    systemInfo: {
      ...(node.systemInfo as object),
      agentVersion: VERSION,
      hypervisorVersion: `simulated ${VERSION}`,
    },
    spec: node.spec as unknown as NodeSpec,
  });
  // Without the request's signal: what is under way is finished before the database is closed under it.
  const transport = openTransport('http://in-process/graphql', token, async (request) => {
    const { url, method, headers } = request;
    return app.fetch(new Request(url, { method, headers, body: await request.text() }));
  });
  await runAgent({
    transport,
    machine,
    hypervisor,
    jobs: createSimulatedJobs(),
    log: log.child({ agent: node.hostname }, { level: 'warn' }),
    signal,
  });
}

async function tokenFor({ services }: App, nodeId: string, signal: AbortSignal): Promise<string> {
  const input = { nodeId: encodeGlobalId('HypervisorNode', nodeId), name: 'demo' };
  const call = {
    services,
    requestId: newId(),
    viewer: systemViewer('demo'),
    ipAddress: null,
    userAgent: '',
    signal,
  };
  const { result } = await execute(issueAgentToken, input, call);
  if (result.token === null) throw new Error('no token for a demo agent');
  return result.token;
}

function greeting(url: string): string {
  const users = DEMO_USERS.map(
    ({ username, password, role }) => `    ${username.padEnd(10)} ${password.padEnd(15)} ${role}`,
  );
  return [
    '',
    `  Quantix-vDC ${VERSION}: a demo datacenter is running.`,
    '',
    `  API and GraphiQL   ${url}/graphql`,
    '',
    '  Sign in as',
    ...users,
    '',
    '  Everything is in memory: what you change is lost when this stops. Stop it with Ctrl-C.',
    '',
    '',
  ].join('\n');
}
