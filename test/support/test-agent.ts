/** A node agent that reports when a test says so: a real hypervisor contract (simulated), the real API, no timers. */
import { randomUUID } from 'node:crypto';
import { Report } from '../../src/agent/documents.js';
import type { Job, JobRunner } from '../../src/agent/jobs.js';
import {
  createSimulatedHypervisor,
  type SimulatedHypervisor,
  type SimulatedHypervisorOptions,
} from '../../src/agent/simulated-hypervisor.js';
import { createSimulatedJobs, type SimulatedJobsOptions } from '../../src/agent/simulated-jobs.js';
import { type Fetch, openTransport } from '../../src/agent/transport.js';
import type { VmOperation } from '../../src/agent/types.js';
import type { AgentReportMutation, ReportNodeInput } from '../../src/gen/api/graphql.js';
import { TaskOperation } from '../../src/gen/client/enums.js';
import type { TestApp } from './app.js';
import { METRICS } from './mutations.js';
import type { Made } from './seed.js';

export type ReportAnswer = AgentReportMutation['reportNode'];
export type ReportPayload = Extract<ReportAnswer, { __typename: 'ReportNodePayload' }>;

const INSTANT: Partial<Record<Job['operation'], number>> = Object.fromEntries(
  Object.values(TaskOperation).map((operation) => [operation, 0]),
);

export interface TestAgent {
  readonly token: string;
  readonly hypervisor: SimulatedHypervisor;
  readonly jobs: JobRunner;
  /** What the next report would say. */
  draft(changes?: Partial<ReportNodeInput>): ReportNodeInput;
  /** Sends this report and leaves the answer to the test. */
  send(input: ReportNodeInput): Promise<ReportAnswer>;
  /** One round: reports what is, and applies what should be. Throws when the report is refused. */
  report(changes?: Partial<ReportNodeInput>): Promise<ReportPayload>;
  /** The process ends and another one starts: what was in its memory is gone. */
  restart(): void;
}

export async function createTestAgent(
  world: TestApp,
  node: Made,
  options: SimulatedHypervisorOptions & { jobs?: SimulatedJobsOptions } = {},
): Promise<TestAgent> {
  const token = await world.seed.agentToken(node);
  return testAgent(token, node, (request) => world.app.fetch(request), options);
}

/** The same for a node that is known and a control plane anywhere: `fetcher` says where it reports to. */
export function testAgent(
  token: string,
  node: Pick<Made, 'id' | 'name'>,
  fetcher: Fetch,
  options: SimulatedHypervisorOptions & { jobs?: SimulatedJobsOptions } = {},
): TestAgent {
  const transport = openTransport('http://test', token, fetcher);
  let hypervisor = createSimulatedHypervisor(options);
  // As fast as the clock allows: a job is done by the report after the one that brought it.
  const jobOptions = { durations: INSTANT, ...options.jobs };
  let jobs = createSimulatedJobs(jobOptions);
  let agentInstance = randomUUID();
  let sequence = 0;

  const agent: TestAgent = {
    token,
    get hypervisor() {
      return hypervisor;
    },
    get jobs() {
      return jobs;
    },
    draft(changes = {}) {
      sequence += 1;
      const virtualMachines = hypervisor.observe().map(({ operation: _, ...vm }) => vm);
      const input = {
        nodeId: node.id,
        agentInstance,
        sequence,
        metrics: METRICS,
        virtualMachines,
        jobs: jobs.observe(),
      };
      return { ...input, ...changes };
    },
    async send(input) {
      return (await transport.send(Report, { input })).reportNode;
    },
    async report(changes) {
      const answer = await agent.send(agent.draft(changes));
      if (answer.__typename !== 'ReportNodePayload')
        throw new Error(`${node.name} was refused: ${answer.code} ${answer.message}`);
      for (const { vcpus, memoryMib, guestOs, ...assignment } of answer.assignments) {
        hypervisor.apply({
          ...assignment,
          operation: (assignment.operation ?? null) as VmOperation | null,
          spec: { vcpus, memoryMib, guestOs: guestOs ?? null },
        });
      }
      for (const id of answer.unknownVirtualMachineIds) hypervisor.remove(id);
      if (answer.accepted) jobs.sync(answer.jobs);
      return answer;
    },
    restart() {
      hypervisor.close();
      hypervisor = createSimulatedHypervisor(options);
      jobs.close();
      jobs = createSimulatedJobs(jobOptions);
      agentInstance = randomUUID();
      sequence = 0;
    },
  };
  return agent;
}
