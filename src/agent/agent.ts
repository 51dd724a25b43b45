/**
 * The node agent: measures its machine, observes its hypervisor, reports both, and does what it is told.
 * Level-triggered: every report is whole, so a lost one costs an interval and nothing else.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../log.js';
import { Report, WhoAmI } from './documents.js';
import type { Hypervisor } from './hypervisor.js';
import type { JobRunner } from './jobs.js';
import { ApiError, type Transport } from './transport.js';
import type { Machine, NodeFigures, ObservedVm, VmOperation } from './types.js';

export interface AgentOptions {
  readonly transport: Transport;
  readonly machine: Machine;
  readonly hypervisor: Hypervisor;
  readonly jobs: JobRunner;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** While operations run their progress is reported this often, in milliseconds. */
const BUSY_INTERVAL_MS = 500;
const MAX_BACKOFF_MS = 30_000;

/** The token is not an agent's, or does not count. Trying again would not help. */
export class NotAnAgentError extends Error {}

/**
 * Runs until the signal aborts. Whatever goes wrong on the way is tried again with growing pauses.
 * @throws NotAnAgentError at the start, when the token is refused
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { machine, hypervisor, jobs } = options;
  try {
    const nodeId = await findNode(options);
    if (nodeId !== null) await reportUntilStopped(options, nodeId);
  } finally {
    machine.close();
    hypervisor.close();
    jobs.close();
  }
}

async function reportUntilStopped(options: AgentOptions, nodeId: string): Promise<void> {
  const { log, signal } = options;
  const reporter = createReporter(options, nodeId);
  let failures = 0;
  while (!signal.aborted) {
    let pauseMs: number;
    try {
      pauseMs = await reporter();
      failures = 0;
    } catch (err) {
      if (signal.aborted) return;
      failures += 1;
      pauseMs =
        Math.min(MAX_BACKOFF_MS, 500 * 2 ** Math.min(failures, 7)) * (0.5 + Math.random() / 2);
      log.warn({ err, failures }, 'a report did not get through');
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Waits for the control plane to come up, as long as it takes; a refusal ends the wait. Null: told to stop. */
async function findNode({ transport, signal, log }: AgentOptions): Promise<string | null> {
  const ask = () => transport.send(WhoAmI, {}, signal);
  const refused = (error: unknown) => error instanceof ApiError && error.code === 'UNAUTHENTICATED';
  const answer = await untilAnswered(log, signal, ask, refused).catch((error: Error) => {
    throw new NotAnAgentError(error.message);
  });
  if (!answer) return null;
  if (answer.viewer?.hypervisorNodeId) return answer.viewer.hypervisorNodeId;
  throw new NotAnAgentError(
    `The token belongs to ${answer.viewer?.name ?? 'nobody'}, not to a node. Make one with issueAgentToken.`,
  );
}

/**
 * Asks again, ever more seldom, until the control plane answers.
 * @param isFinal whether an error is an answer: it is thrown
 * @returns null when it was told to stop
 */
export async function untilAnswered<T>(
  log: Logger,
  signal: AbortSignal,
  ask: () => Promise<T>,
  isFinal: (error: unknown) => boolean,
): Promise<T | null> {
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) return null;
      if (isFinal(error)) throw error;
      log.warn({ err: error }, 'the control plane does not answer yet');
    }
    await sleep(Math.min(MAX_BACKOFF_MS, 500 * 2 ** Math.min(failures, 6)), undefined, {
      signal,
    }).catch(() => undefined);
  }
  return null;
}

/** Each call makes one report and applies the answer; it returns how long to wait, in milliseconds. */
function createReporter(
  { transport, machine, hypervisor, jobs, log, signal }: AgentOptions,
  nodeId: string,
): () => Promise<number> {
  const agentInstance = randomUUID();
  let sequence = 0;
  let sentHardware = '';
  return async () => {
    const figures = await machine.read();
    const { spec, systemInfo } = figures;
    const hardware = JSON.stringify([spec, systemInfo]);
    const observed = hypervisor.observe();
    sequence += 1;
    const input = {
      nodeId,
      agentInstance,
      sequence,
      metrics: figures.metrics,
      virtualMachines: observed.map(observedInput),
      jobs: jobs.observe(),
      ...(hardware === sentHardware ? {} : hardwareInput(figures)),
    };
    const { reportNode: answer } = await transport.send(Report, { input }, signal);
    if (answer.__typename !== 'ReportNodePayload') throw new ApiError(answer.code, answer.message);
    sentHardware = hardware;
    for (const { vcpus, memoryMib, guestOs, ...assignment } of answer.assignments) {
      log.info(
        {
          virtualMachine: assignment.name,
          operation: assignment.operation,
          desiredState: assignment.desiredState,
        },
        'assignment',
      );
      hypervisor.apply({
        ...assignment,
        operation: (assignment.operation ?? null) as VmOperation | null,
        spec: { vcpus, memoryMib, guestOs: guestOs ?? null },
      });
    }
    for (const id of answer.unknownVirtualMachineIds) hypervisor.remove(id);
    // An overtaken report is answered with nothing at all, which does not mean that the jobs are over.
    if (answer.accepted) jobs.sync(answer.jobs);
    const busy =
      answer.assignments.length + answer.jobs.length > 0 ||
      observed.some((vm) => vm.progressPercent !== null);
    return busy ? Math.min(BUSY_INTERVAL_MS, answer.reportIntervalMs) : answer.reportIntervalMs;
  };
}

function hardwareInput({ spec, systemInfo }: NodeFigures) {
  return { spec, systemInfo };
}

function observedInput({ operation: _, ...vm }: ObservedVm) {
  return vm;
}
