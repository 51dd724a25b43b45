/** Clients under fire: they go from instance to instance, ask again with the same key until they have an answer, and remember it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../support/client.js';
import type { Site } from './instances-site.js';

/** What a client does between two questions: a crowd that never rests would measure the machine. */
const REST_MS = 20;
const PATIENCE_MS = 20_000;
const SETTLING_MS = 10_000;

/** A machine as answers showed it: its version, or that it is deleted. */
type Known = number | 'deleted';

/** What clients were told, and what they should not have been told. */
export class Ledger {
  /** Acknowledged changes: `<machine> <action>` to how many. */
  readonly acknowledged = new Map<string, number>();
  /** Answers that were refusals for good: the names of machines that were not made. */
  readonly refused: string[] = [];
  /** By machine; an answer to a question asked from now on shows no less. */
  readonly floor = new Map<string, Known>();
  readonly names = new Map<string, string>();
  /** Machines whose deletion is asked for: they may vanish before that is acknowledged. */
  readonly leaving = new Set<string>();
  /** What nobody should ever see. */
  readonly strange: string[] = [];
  /** Answers without the answer, by code. */
  readonly setbacks = new Map<string, number>();
  changes = 0;
  reads = 0;
  hits = 0;

  acknowledge(id: string, action: string, now: Known): void {
    const key = `${id} ${action}`;
    this.acknowledged.set(key, (this.acknowledged.get(key) ?? 0) + 1);
    this.saw(id, now);
    this.changes += 1;
  }

  saw(id: string, now: Known): void {
    const before = this.floor.get(id) ?? 0;
    if (before !== 'deleted' && (now === 'deleted' || now > before)) this.floor.set(id, now);
  }

  setback(code: string): void {
    this.setbacks.set(code, (this.setbacks.get(code) ?? 0) + 1);
  }
}

interface Result {
  readonly __typename: string;
  readonly code?: string;
  readonly message?: string;
  readonly retryable?: boolean;
  readonly virtualMachine?: { readonly id: string; readonly version: number };
}

const SHOWN: Readonly<Record<string, string>> = {
  deleteVirtualMachine: 'deletedVirtualMachineId',
};

function documentFor(mutation: string): string {
  const type = mutation[0]?.toUpperCase() + mutation.slice(1);
  const shown = SHOWN[mutation] ?? 'virtualMachine { id version }';
  return `mutation ($input: ${type}Input!) {
    ${mutation}(input: $input) {
      __typename ... on ${type}Payload { ${shown} } ... on UserError { code message retryable }
    }
  }`;
}

/** The answer of somebody, whoever that is; null after a setback. Errors that are no setbacks are strange. */
async function ask<R>(
  site: Site,
  ledger: Ledger,
  place: number,
  document: string,
  variables?: unknown,
): Promise<Answer<R> | null> {
  if (site.closed()) throw new Error('all is over');
  const { token } = await site.client(place);
  let answer: Answer<R>;
  try {
    answer = await site.ask<R>(place, document, variables);
  } catch (error) {
    ledger.setback((error as Error).name);
    return null;
  }
  const [fault] = answer.errors;
  if (!fault) return answer;
  const { code, retryable } = fault.extensions;
  ledger.setback(code);
  if (code === 'UNAUTHENTICATED') site.renew(token);
  else if (!retryable) ledger.strange.push(`${code}: ${fault.message}`);
  return null;
}

let turn = 0;

/** Asks until it was done or refused for good, with one key. */
async function insist(
  site: Site,
  ledger: Ledger,
  mutation: string,
  input: Record<string, unknown>,
): Promise<Result> {
  const variables = { input: { ...input, idempotencyKey: randomUUID() } };
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    turn += 1;
    const answer = await ask<Record<string, Result>>(
      site,
      ledger,
      turn,
      documentFor(mutation),
      variables,
    );
    const result = answer?.data?.[mutation];
    if (result && !result.retryable) return result;
    if (result) ledger.setback(result.code ?? '');
    await sleep(REST_MS);
  }
  throw new Error(`${mutation} was neither done nor refused: ${JSON.stringify(input)}`);
}

/** One machine after the other, from its creation to its deletion, and what is refused on the way. */
export async function writer(
  site: Site,
  ledger: Ledger,
  name: string,
  projectId: string,
  going: () => boolean,
): Promise<void> {
  const spec = { cpu: { cores: 1 }, memory: { sizeMib: 256 } };
  const create = (as: string) =>
    insist(site, ledger, 'createVirtualMachine', { projectId, name: as, spec });
  for (let n = 1; going(); n += 1) {
    const vmName = `${name}-${n}`;
    const { virtualMachine, ...made } = await create(vmName);
    if (!virtualMachine) throw new Error(`${vmName} was not made: ${JSON.stringify(made)}`);
    const { id } = virtualMachine;
    ledger.names.set(id, vmName);
    ledger.acknowledge(id, 'virtualMachine.create', virtualMachine.version);
    const change = async (verb: string, input: Record<string, unknown> = {}) => {
      const result = await insist(site, ledger, `${verb}VirtualMachine`, { id, ...input });
      if (!result.__typename.endsWith('Payload')) return result.code ?? 'nothing';
      const now = verb === 'delete' ? 'deleted' : (result.virtualMachine?.version ?? 0);
      ledger.acknowledge(id, `virtualMachine.${verb}`, now);
      await look(site, ledger, id);
      return null;
    };
    const expectDone = (verb: string, refusal: string | null): void => {
      if (refusal) ledger.strange.push(`${vmName} ${verb} was refused: ${refusal}`);
    };
    expectDone('label', await change('label', { set: { step: 'made' } }));
    expectDone('start', await change('start'));
    expectDone('label', await change('label', { set: { step: 'begun' } }));
    if (!(await reaches(site, ledger, id, 'RUNNING'))) continue;
    const again = await create(vmName);
    if (again.code !== 'ALREADY_EXISTS')
      ledger.strange.push(`a second ${vmName}: ${JSON.stringify(again)}`);
    ledger.refused.push(vmName);
    expectDone('stop', await change('stop', { force: true }));
    if (n % 3 === 0 || !(await reaches(site, ledger, id, 'STOPPED'))) continue;
    ledger.leaving.add(id);
    expectDone('delete', await change('delete'));
    const late = await change('label', { set: { step: 'late' } });
    if (late !== 'NOT_FOUND') ledger.strange.push(`${vmName} was labelled after its end: ${late}`);
  }
}

const ONE = 'query ($id: ID!) { virtualMachine(id: $id) { id version powerState } }';
type One = { virtualMachine: { id: string; version: number; powerState: string } | null };

/** Reads a machine somewhere else than it was changed last, and holds the answer against what was known when it was asked for. */
async function look(site: Site, ledger: Ledger, id: string): Promise<One['virtualMachine']> {
  for (;;) {
    turn += 1;
    const floor = ledger.floor.get(id) ?? 0;
    const answer = await ask<One>(site, ledger, turn, ONE, { id });
    if (answer?.data) {
      judge(ledger, id, floor, answer.data.virtualMachine?.version, answer);
      return answer.data.virtualMachine;
    }
    await sleep(REST_MS);
  }
}

function judge(
  ledger: Ledger,
  id: string,
  floor: Known,
  version: number | undefined,
  { extensions }: Answer<unknown>,
): void {
  const stale = floor === 'deleted' ? version !== undefined : (version ?? -1) < floor;
  if (!stale || (version === undefined && ledger.leaving.has(id))) return;
  const cached = JSON.stringify(extensions);
  ledger.strange.push(`${ledger.names.get(id)} was ${floor}, then read as ${version} ${cached}`);
}

async function reaches(site: Site, ledger: Ledger, id: string, state: string): Promise<boolean> {
  const deadline = performance.now() + SETTLING_MS;
  while (performance.now() < deadline) {
    if ((await look(site, ledger, id))?.powerState === state) return true;
    await sleep(REST_MS);
  }
  return false;
}

const ALL = '{ virtualMachines(first: 500) { nodes { id version } } }';

/** Asks one instance for all machines, again and again: the same question, so that some answers come from the cache. */
export async function reader(
  site: Site,
  ledger: Ledger,
  place: number,
  going: () => boolean,
): Promise<void> {
  while (going()) {
    const floor = new Map(ledger.floor);
    type All = { virtualMachines: { nodes: { id: string; version: number }[] } };
    const answer = await ask<All>(site, ledger, place, ALL);
    if (answer?.data) {
      const shown = new Map(
        answer.data.virtualMachines.nodes.map(({ id, version }) => [id, version]),
      );
      for (const [id, known] of floor) judge(ledger, id, known, shown.get(id), answer);
      ledger.reads += 1;
      if ((answer.extensions.cache as { hit?: boolean } | undefined)?.hit) ledger.hits += 1;
    }
    await sleep(REST_MS);
  }
}
