/** The operations on virtual machines through the API, behind one function: what tests of states, agents and races have in common. */
import { graphql } from '../gen/gql.js';
import type { TypedDocumentString } from '../gen/graphql.js';
import type { Client } from './client.js';
import type { OperationName } from './vm-states.js';

const Start = graphql(`
  mutation OperateStart($input: StartVirtualMachineInput!) {
    answer: startVirtualMachine(input: $input) {
      __typename
      ... on StartVirtualMachinePayload {
        dryRun
        virtualMachine { id powerState desiredState generation hypervisorNode { id } }
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
      ... on NoSuitableNodeError { verdicts { nodeId hostname fits reasons score } }
    }
  }
`);
const Stop = graphql(`
  mutation OperateStop($input: StopVirtualMachineInput!) {
    answer: stopVirtualMachine(input: $input) {
      __typename
      ... on StopVirtualMachinePayload {
        dryRun
        virtualMachine { id powerState desiredState generation hypervisorNode { id } }
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
    }
  }
`);
const Reboot = graphql(`
  mutation OperateReboot($input: RebootVirtualMachineInput!) {
    answer: rebootVirtualMachine(input: $input) {
      __typename
      ... on RebootVirtualMachinePayload {
        dryRun
        virtualMachine { id powerState desiredState generation hypervisorNode { id } }
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
    }
  }
`);
const Pause = graphql(`
  mutation OperatePause($input: PauseVirtualMachineInput!) {
    answer: pauseVirtualMachine(input: $input) {
      __typename
      ... on PauseVirtualMachinePayload {
        dryRun
        virtualMachine { id powerState desiredState generation hypervisorNode { id } }
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
    }
  }
`);
const Resume = graphql(`
  mutation OperateResume($input: ResumeVirtualMachineInput!) {
    answer: resumeVirtualMachine(input: $input) {
      __typename
      ... on ResumeVirtualMachinePayload {
        dryRun
        virtualMachine { id powerState desiredState generation hypervisorNode { id } }
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
    }
  }
`);
const Delete = graphql(`
  mutation OperateDelete($input: DeleteVirtualMachineInput!) {
    answer: deleteVirtualMachine(input: $input) {
      __typename
      ... on DeleteVirtualMachinePayload {
        dryRun
        deletedVirtualMachineId
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
    }
  }
`);

const DOCUMENTS = {
  START: Start,
  STOP: Stop,
  REBOOT: Reboot,
  PAUSE: Pause,
  RESUME: Resume,
  DELETE: Delete,
} as const;

/** Only these take `force`. */
export const FORCIBLE: ReadonlySet<OperationName> = new Set(['STOP', 'DELETE']);

export interface TaskAnswer {
  readonly id: string;
  readonly operation: OperationName;
  readonly status: string;
  readonly force: boolean;
  readonly progressPercent: number;
  readonly createdByName: string;
}

export interface VmAnswer {
  readonly id: string;
  readonly powerState: string;
  readonly desiredState: string;
  readonly generation: number;
  readonly hypervisorNode: { readonly id: string } | null;
}

/** A payload's parts or an error's, whichever it is. */
export interface OperationAnswer {
  readonly __typename: string;
  readonly virtualMachine?: VmAnswer | null;
  readonly deletedVirtualMachineId?: string;
  readonly task?: TaskAnswer | null;
  readonly code?: string;
  readonly message?: string;
  readonly path?: readonly string[];
  readonly current?: string;
  readonly allowed?: readonly string[];
  readonly taskId?: string | null;
  readonly operation?: string | null;
  readonly since?: string | null;
  readonly verdicts?: readonly {
    nodeId: string;
    hostname: string;
    fits: boolean;
    reasons: string[];
  }[];
}

/** Gives one operation; top-level errors throw. */
export async function operate(
  client: Client,
  operation: OperationName,
  id: string,
  options: { force?: boolean; dryRun?: boolean; idempotencyKey?: string } = {},
): Promise<OperationAnswer> {
  const document = DOCUMENTS[operation] as unknown as TypedDocumentString<
    { answer: OperationAnswer },
    { input: object }
  >;
  const { answer } = await client.run(document, { input: { id, ...options } });
  return answer;
}
