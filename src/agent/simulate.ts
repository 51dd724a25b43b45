/** Simulated nodes: each has hardware, a hypervisor and a workload of its own, and the same agent as a real one. */
import type { Logger } from '../log.js';
import { runAgent } from './agent.js';
import { FindCluster, FindNode, IssueToken, RegisterNode } from './documents.js';
import { createSimulatedHypervisor } from './simulated-hypervisor.js';
import { createSimulatedJobs } from './simulated-jobs.js';
import { createSimulatedMachine } from './simulated-machine.js';
import { ApiError, type Fetch, openTransport, type Transport } from './transport.js';
import type { NodeSpec } from './types.js';

export interface SimulatedAgentOptions {
  readonly server: string;
  readonly token: string;
  /** Makes hardware and load; the same seed gives the same node. */
  readonly seed: string;
  readonly agentVersion: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly fetch?: Fetch;
  /** The hardware, where it is known already. */
  readonly spec?: NodeSpec;
}

/** Runs one simulated node's agent until the signal aborts. */
export function runSimulatedAgent(options: SimulatedAgentOptions): Promise<void> {
  const { server, token, seed, agentVersion, log, signal, spec } = options;
  const hypervisor = createSimulatedHypervisor({ seed });
  const machine = createSimulatedMachine({
    seed,
    workload: hypervisor.workload,
    systemInfo: { agentVersion, hypervisorVersion: `simulated ${agentVersion}` },
    ...(spec ? { spec } : {}),
  });
  return runAgent({
    transport: openTransport(server, token, options.fetch),
    machine,
    hypervisor,
    jobs: createSimulatedJobs(),
    log,
    signal,
  });
}

/** Makes the simulated node known if it is not yet, and gets a token for its agent. Needs the permissions node:create and node:update. */
export async function enrolSimulatedNode(
  transport: Transport,
  hostname: string,
  index: number,
): Promise<string> {
  const found = (await transport.send(FindNode, { hostname })).hypervisorNodes.nodes[0]?.id;
  const nodeId = found ?? (await register(transport, hostname, index));
  const { issueAgentToken: answer } = await transport.send(IssueToken, {
    input: { nodeId, name: 'simulated', revokeOthers: true },
  });
  if (answer.__typename !== 'IssueAgentTokenPayload')
    throw new ApiError(answer.code, answer.message);
  if (!answer.token) throw new ApiError('NO_TOKEN', 'The control plane gave no token');
  return answer.token;
}

async function register(transport: Transport, hostname: string, index: number): Promise<string> {
  const cluster = (await transport.send(FindCluster, {})).clusters.nodes[0];
  if (!cluster)
    throw new ApiError('NO_CLUSTER', 'There is no cluster to join. Create one with createCluster.');
  // 198.18.0.0/15 is set aside for benchmarks (RFC 2544).
  const managementIp = `198.18.${Math.floor(index / 250)}.${(index % 250) + 1}`;
  const { registerHypervisorNode: answer } = await transport.send(RegisterNode, {
    input: { hostname, managementIp, clusterId: cluster.id },
  });
  if (answer.__typename !== 'RegisterHypervisorNodePayload')
    throw new ApiError(answer.code, answer.message);
  return answer.hypervisorNode?.id ?? '';
}
