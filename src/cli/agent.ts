/** `agent`: runs the agent of this machine, or of simulated ones, against a control plane. */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotAnAgentError, runAgent } from '../agent/agent.js';
import { openLinuxMachine } from '../agent/machine.js';
import { enrolSimulatedNode, runSimulatedAgent } from '../agent/simulate.js';
import { createSimulatedHypervisor } from '../agent/simulated-hypervisor.js';
import { openTransport } from '../agent/transport.js';
import { agentToken } from '../config/token.js';
import { createLogger } from '../log.js';
import { VERSION } from '../version.js';
import type { Options } from './run.js';
import { UsageError } from './usage.js';

const MAX_SIMULATED = 1000;
/** Spreads the first reports of simulated nodes, so that they do not come all at once. */
const STAGGER_MS = 20;

export async function agent(words: readonly string[], options: Options): Promise<number> {
  if (words.length > 0) throw new UsageError(`agent takes no "${words[0]}".`);
  const server = serverUrl(options.server);
  const token = options.token ?? agentToken();
  if (!token)
    throw new UsageError('agent needs a token: --token, or QUANTIX_TOKEN in the environment.');
  const count = simulatedCount(options.simulate);
  const log = createLogger({ level: options['log-level'] ?? 'info', name: 'qx-agent' });
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

  if (count > 0) {
    await simulate(server, token, count, log, stopping.signal);
    return 0;
  }
  const system = { agentVersion: VERSION, hypervisorVersion: `simulated ${VERSION}` };
  try {
    await runAgent({
      transport: openTransport(server, token),
      machine: openLinuxMachine(system),
      hypervisor: createSimulatedHypervisor({ seed: hostname() }),
      log,
      signal: stopping.signal,
    });
  } catch (error) {
    if (error instanceof NotAnAgentError || !stopping.signal.aborted) throw error;
  }
  return 0;
}

async function simulate(
  server: string,
  token: string,
  count: number,
  log: ReturnType<typeof createLogger>,
  signal: AbortSignal,
): Promise<void> {
  const administrator = openTransport(server, token);
  const running: Promise<void>[] = [];
  for (let index = 0; index < count && !signal.aborted; index += 1) {
    const name = `sim-${String(index + 1).padStart(4, '0')}`;
    const nodeToken = await enrolSimulatedNode(administrator, name, index);
    running.push(
      runSimulatedAgent({
        server,
        token: nodeToken,
        seed: name,
        agentVersion: VERSION,
        log: log.child({ node: name }),
        signal,
      }),
    );
    await sleep(STAGGER_MS);
  }
  log.info({ count: running.length }, 'simulated nodes are running');
  await Promise.all(running);
}

function serverUrl(text: string | undefined): string {
  if (!text) throw new UsageError('agent needs --server URL.');
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new UsageError(`"${text}" is not an http or https URL.`);
  return text;
}

function simulatedCount(text: string | undefined): number {
  if (text === undefined) return 0;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MAX_SIMULATED)
    throw new UsageError(`--simulate takes a number from 1 to ${MAX_SIMULATED}.`);
  return count;
}
