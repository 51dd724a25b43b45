/** `agent`: runs the agent of this machine, or of simulated ones, against a control plane. */
import { setMaxListeners } from 'node:events';
import { hostname, networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { runAgent, untilAnswered } from '../agent/agent.js';
import { enrolledToken, isAway } from '../agent/enrol.js';
import { openLinuxMachine } from '../agent/machine.js';
import { enrolSimulatedNode, runSimulatedAgent } from '../agent/simulate.js';
import { createSimulatedHypervisor } from '../agent/simulated-hypervisor.js';
import { createSimulatedJobs } from '../agent/simulated-jobs.js';
import { openTransport } from '../agent/transport.js';
import { model } from '../config/model.js';
import { agentToken, enrolmentToken } from '../config/token.js';
import { createLogger, type Logger } from '../log.js';
import { VERSION } from '../version.js';
import type { Options } from './run.js';
import { UsageError } from './usage.js';

const MAX_SIMULATED = 1000;
/** Spreads the first reports of simulated nodes, so that they do not come all at once. */
const STAGGER_MS = 20;
const TOKEN_FILE = '/var/lib/quantix-vdc/agent.json';

export async function agent(words: readonly string[], options: Options): Promise<number> {
  if (words.length > 0) throw new UsageError(`agent takes no "${words[0]}".`);
  const server = serverUrl(options.server);
  const token = options.token ?? agentToken();
  const count = simulatedCount(options.simulate);
  const enrolling = token ? null : enrolment(options, count);
  const log = createLogger({ level: logLevel(options['log-level']), name: 'qx-agent' });
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // each simulated node listens
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping');
      stopping.abort();
    });
  }
  try {
    const { signal } = stopping;
    const transport = openTransport(server, null);
    const own = enrolling
      ? await enrolledToken({ ...enrolling, transport, log, signal })
      : (token ?? null);
    if (own === null) return 0;
    if (count > 0) await simulate(server, own, count, log, signal);
    else await runHere(server, own, log, signal);
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  }
  return 0;
}

/** This machine's own figures; its hypervisor is simulated as long as there is no driver for a real one. */
function runHere(server: string, token: string, log: Logger, signal: AbortSignal): Promise<void> {
  const system = { agentVersion: VERSION, hypervisorVersion: `simulated ${VERSION}` };
  return runAgent({
    transport: openTransport(server, token),
    machine: openLinuxMachine(system),
    hypervisor: createSimulatedHypervisor({ seed: hostname() }),
    jobs: createSimulatedJobs(),
    log,
    signal,
  });
}

async function simulate(
  server: string,
  token: string,
  count: number,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const administrator = openTransport(server, token);
  const running: Promise<void>[] = [];
  for (let index = 0; index < count && !signal.aborted; index += 1) {
    const name = `sim-${String(index + 1).padStart(4, '0')}`;
    // Like the agent of a real node it may be started before the control plane is.
    const enrol = () => enrolSimulatedNode(administrator, name, index);
    const nodeToken = await untilAnswered(log, signal, enrol, (error) => !isAway(error));
    if (nodeToken === null) break;
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
    await sleep(STAGGER_MS, undefined, { signal });
  }
  log.info({ count: running.length }, 'simulated nodes are running');
  await Promise.all(running);
}

/** Without a token of its own the agent has one in a file, or enrols. */
function enrolment(options: Options, count: number) {
  const presented = options.enrol ?? enrolmentToken() ?? null;
  const file = options['token-file'] ?? (presented === null ? undefined : TOKEN_FILE);
  if (file === undefined)
    throw new UsageError(
      'agent needs a token: QUANTIX_TOKEN in the environment or --token, or --enrol for a new node, or --token-file for one that has enrolled.',
    );
  if (count > 0)
    throw new UsageError('--simulate makes its nodes known itself, with an administrator’s token.');
  const managementIp = options['management-ip'] ?? ownAddress();
  if (!managementIp)
    throw new UsageError('This machine has no address to be administered at: --management-ip.');
  return { enrolmentToken: presented, file, hostname: hostname().toLowerCase(), managementIp };
}

/** The first address that others can reach, IPv4 before IPv6. */
function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const reachable = all.filter(({ internal, address }) => !internal && !/^fe80:/i.test(address));
  const first = reachable.find(({ family }) => family === 'IPv4') ?? reachable[0];
  return first?.address;
}

function serverUrl(text: string | undefined): string {
  if (!text) throw new UsageError('agent needs --server URL.');
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new UsageError(`"${text}" is not an http or https URL.`);
  const { username, password } = new URL(text);
  if (username || password)
    throw new UsageError(
      'The URL of --server takes no user or password: the token signs the agent in.',
    );
  return text;
}

function logLevel(text = 'info'): string {
  const { schema, expects } = model.log.keys.level;
  if (!schema.safeParse(text).success)
    throw new UsageError(`--log-level takes ${expects}, not "${text}".`);
  return text;
}

function simulatedCount(text: string | undefined): number {
  if (text === undefined) return 0;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MAX_SIMULATED)
    throw new UsageError(`--simulate takes a number from 1 to ${MAX_SIMULATED}.`);
  return count;
}
