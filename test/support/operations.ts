/** The operations on virtual machines through the API, behind one function: what tests of states, agents and races have in common. */
import type { Client } from './client.js';
import type { OperationName } from './vm-states.js';

const MACHINE = 'virtualMachine { id powerState desiredState generation hypervisorNode { id } }';

/** Selects all that an answer of any operation says. */
function documentOf(operation: OperationName): string {
  const Name = `${operation.charAt(0)}${operation.slice(1).toLowerCase()}VirtualMachine`;
  const places = operation === 'START' || operation === 'RESET';
  return `mutation Operate${Name}($input: ${Name}Input!) {
    answer: ${Name.charAt(0).toLowerCase()}${Name.slice(1)}(input: $input) {
      __typename
      ... on ${Name}Payload {
        dryRun
        ${operation === 'DELETE' ? 'deletedVirtualMachineId' : MACHINE}
        task { id operation status force progressPercent createdByName }
      }
      ... on UserError { code message path retryable }
      ... on InvalidStateError { current allowed }
      ... on BusyError { taskId operation since retryAfterMs }
      ${places ? '... on NoSuitableNodeError { verdicts { nodeId hostname fits reasons score } }' : ''}
    }
  }`;
}

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
  const { data, errors } = await client.answer<{ answer: OperationAnswer }, { input: object }>(
    documentOf(operation),
    { input: { id, ...options } },
  );
  if (errors.length > 0 || !data) throw new Error(`${operation}: ${JSON.stringify(errors)}`);
  return data.answer;
}
