/** Bulk operations through the API, behind one function. */
import type { Answer, Client } from './client.js';

export interface Outcome {
  readonly __typename: string;
  readonly [field: string]: unknown;
}

export interface BulkAnswer {
  readonly __typename: string;
  readonly results: readonly { readonly id: string; readonly outcome: Outcome | null }[];
  readonly succeededCount: number;
  readonly failedCount: number;
  readonly remainingCount: number;
  readonly endCursor: string | null;
  readonly dryRun: boolean;
  readonly planToken?: string | null;
  readonly code?: string;
  readonly path?: readonly string[];
  readonly message?: string;
}

/** What to select of a payload, by mutation. */
const SELECTIONS = {
  bulkStartVirtualMachines: 'virtualMachine { id name desiredState } task { id operation } dryRun',
  bulkStopVirtualMachines: 'virtualMachine { id desiredState } task { id force }',
  bulkDeleteVirtualMachines: 'deletedVirtualMachineId task { id }',
  bulkLabelVirtualMachines: 'virtualMachine { id labels }',
  bulkAcknowledgeAlerts: 'alert { id acknowledged }',
  bulkCreateVirtualMachineSnapshots: 'virtualMachineSnapshot { name }',
} as const;
export type BulkMutation = keyof typeof SELECTIONS;

export function bulkDocument(mutation: BulkMutation, selection: string = SELECTIONS[mutation]) {
  const Name = mutation.charAt(0).toUpperCase() + mutation.slice(1);
  const Single = Name.replace(/^Bulk/, '').replace(/s$/, '');
  return `mutation($input: ${Name}Input!) { answer: ${mutation}(input: $input) {
    __typename
    ... on UserError { code message path }
    ... on ${Name}Payload {
      succeededCount failedCount remainingCount endCursor dryRun planToken
      results { id outcome {
        __typename
        ... on UserError { code path }
        ... on ${Single}Payload { ${selection} }
      } }
    }
  } }`;
}

export function tryBulk(
  client: Client,
  mutation: BulkMutation,
  input: object,
): Promise<Answer<{ answer: BulkAnswer }>> {
  return client.answer(bulkDocument(mutation), { input });
}

/** Top-level errors throw. */
export async function bulk(
  client: Client,
  mutation: BulkMutation,
  input: object,
): Promise<BulkAnswer> {
  const { data, errors } = await tryBulk(client, mutation, input);
  if (!data || errors.length > 0) throw new Error(`${mutation}: ${JSON.stringify(errors)}`);
  return data.answer;
}

/** How many outcomes there are of each kind; "none" for null. */
export function tally({ results }: BulkAnswer): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of results) {
    const kind = outcome?.__typename ?? 'none';
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/**
 * Sends a bulk call, and goes away as a client does whose connection breaks.
 * @param when calls back at the moment to go, and returns how to stop watching for it
 */
export async function breakOff(
  client: Client,
  mutation: BulkMutation,
  input: object,
  when: (go: () => void) => () => void,
): Promise<void> {
  const connection = new AbortController();
  const stop = when(() => connection.abort());
  await client
    .raw({
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${client.token}` },
      body: JSON.stringify({ query: bulkDocument(mutation), variables: { input } }),
      signal: connection.signal,
    })
    .catch(() => undefined);
  stop();
  if (!connection.signal.aborted) throw new Error('it was over before it was broken off');
}
