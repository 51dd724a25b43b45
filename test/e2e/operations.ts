/** What an administrator does with a new datacenter, in one call each; refusals are thrown. */
import { graphql } from '../gen/gql.js';
import type { TypedDocumentString } from '../gen/graphql.js';
import type { Client } from '../support/client.js';
import { until } from '../support/until.js';

const CreateCluster = graphql(`
  mutation E2eCreateCluster($input: CreateClusterInput!) {
    createCluster(input: $input) {
      __typename
      ... on CreateClusterPayload { cluster { id } }
      ... on UserError { message }
    }
  }
`);
const CreateProject = graphql(`
  mutation E2eCreateProject($input: CreateProjectInput!) {
    createProject(input: $input) {
      __typename
      ... on CreateProjectPayload { project { id name } }
      ... on UserError { message }
    }
  }
`);
const RegisterNode = graphql(`
  mutation E2eRegisterNode($input: RegisterHypervisorNodeInput!) {
    registerHypervisorNode(input: $input) {
      __typename
      ... on RegisterHypervisorNodePayload { hypervisorNode { id } }
      ... on UserError { message }
    }
  }
`);
const IssueToken = graphql(`
  mutation E2eIssueToken($input: IssueAgentTokenInput!) {
    issueAgentToken(input: $input) {
      __typename
      ... on IssueAgentTokenPayload { token }
      ... on UserError { message }
    }
  }
`);
const CreateMachine = graphql(`
  mutation E2eCreateMachine($input: CreateVirtualMachineInput!) {
    createVirtualMachine(input: $input) {
      __typename
      ... on CreateVirtualMachinePayload { virtualMachine { id } }
      ... on UserError { message }
    }
  }
`);
const StartMachine = graphql(`
  mutation E2eStartMachine($input: StartVirtualMachineInput!) {
    startVirtualMachine(input: $input) {
      __typename
      ... on StartVirtualMachinePayload { task { id status } }
      ... on UserError { message }
    }
  }
`);
const RebootMachine = graphql(`
  mutation E2eRebootMachine($input: RebootVirtualMachineInput!) {
    rebootVirtualMachine(input: $input) {
      __typename
      ... on RebootVirtualMachinePayload { task { id status } }
      ... on UserError { message }
    }
  }
`);
const Machine = graphql(`
  query E2eMachine($id: ID!) {
    virtualMachine(id: $id) { powerState statusMessage hypervisorNode { id hostname } }
  }
`);
const Task = graphql(`
  query E2eTask($id: ID!) {
    node(id: $id) { ... on Task { status progressPercent error { code message } } }
  }
`);
const Nodes = graphql(`
  query E2eNodes {
    hypervisorNodes(first: 100) {
      totalCount
      nodes {
        id hostname phase
        spec { cpu { model sockets coresPerSocket threadsPerCore } memory { totalMib } }
        systemInfo { os kernel architecture agentVersion }
        metrics { memoryTotalMib memoryUsedMib cpuPercent uptimeSeconds }
      }
    }
  }
`);

/** The payload of a mutation's only field. */
async function done<R extends Record<string, { __typename?: string }>, V>(
  client: Client,
  document: TypedDocumentString<R, V>,
  input: V extends { input: infer I } ? I : never,
): Promise<R[keyof R]> {
  const { data, errors } = await client.answer(document, { input });
  const [result] = Object.values(data ?? {}) as R[keyof R][];
  if (errors.length > 0 || !result?.__typename?.endsWith('Payload'))
    throw new Error(`refused: ${JSON.stringify({ errors, result })}`);
  return result;
}

/** What every payload here carries: one object with an id, or a secret. */
type Payload = Record<string, { id?: string } & string>;
const idIn = (payload: unknown, field: string): string => {
  const { id } = (payload as Payload)[field] ?? {};
  if (!id) throw new Error(`no ${field} in ${JSON.stringify(payload)}`);
  return id;
};

export const createCluster = async (client: Client, name: string): Promise<string> =>
  idIn(await done(client, CreateCluster, { name }), 'cluster');

export const createProject = async (
  client: Client,
  name: string,
  idempotencyKey?: string,
): Promise<string> =>
  idIn(
    await done(client, CreateProject, { name, ...(idempotencyKey ? { idempotencyKey } : {}) }),
    'project',
  );

/** Makes a node known and issues a token for its agent. */
export async function enrolNode(
  client: Client,
  clusterId: string,
  hostname: string,
): Promise<{ nodeId: string; token: string }> {
  const input = { hostname, managementIp: '192.0.2.1', clusterId };
  const nodeId = idIn(await done(client, RegisterNode, input), 'hypervisorNode');
  const issued = await done(client, IssueToken, { nodeId, name: 'e2e' });
  const token = 'token' in issued ? issued.token : null;
  if (!token) throw new Error('no token for the agent');
  return { nodeId, token };
}

export const createMachine = async (
  client: Client,
  projectId: string,
  name: string,
): Promise<string> => {
  const spec = { cpu: { cores: 1 }, memory: { sizeMib: 256 } };
  return idIn(await done(client, CreateMachine, { projectId, name, spec }), 'virtualMachine');
};

/** @returns the task's id */
export const startMachine = async (client: Client, id: string): Promise<string> =>
  idIn(await done(client, StartMachine, { id }), 'task');

/** @returns the task's id */
export const rebootMachine = async (client: Client, id: string): Promise<string> =>
  idIn(await done(client, RebootMachine, { id }), 'task');

export async function machine(client: Client, id: string) {
  const { virtualMachine } = await client.run(Machine, { id });
  if (!virtualMachine) throw new Error('the virtual machine is gone');
  return virtualMachine;
}

export async function task(client: Client, id: string) {
  const { node } = await client.run(Task, { id });
  if (!node || !('status' in node)) throw new Error('the task is gone');
  return node;
}

export async function nodes(client: Client) {
  const { hypervisorNodes } = await client.run(Nodes);
  return hypervisorNodes.nodes;
}

/** Waits for a task to end and returns it. */
export const finished = (client: Client, id: string, timeoutMs = 60_000) =>
  until(
    'the end of the task',
    async () => {
      const now = await task(client, id);
      return now.status !== 'PENDING' && now.status !== 'RUNNING' && now;
    },
    timeoutMs,
  );

export const ready = (client: Client, hostname: string) =>
  until(`${hostname} is READY`, async () =>
    (await nodes(client)).find((node) => node.hostname === hostname && node.phase === 'READY'),
  );
