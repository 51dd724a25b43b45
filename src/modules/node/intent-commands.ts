/** What an operator wants of a node: cordon, uncordon, maintenance. Transitions are a table; no report of the agent changes the intent. */
import { z } from 'zod';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { InvalidStateError } from '../../errors.js';
import type { Node } from '../../gen/client/client.js';
import type { NodeIntent } from '../../gen/client/enums.js';
import { lockAndSeeEmpty } from './drain.js';
import { NodeEntity } from './queries.js';
import { allowedIntents, INTENTS, type IntentOperation } from './rules.js';

const resourceType = 'HypervisorNode';

interface IntentResult {
  readonly nodeId: string;
}

/** The row is locked before it is read: whether it is empty is true until the intent is written. */
async function change(
  { tx }: RunContext,
  operation: IntentOperation,
  id: string,
): Promise<Outcome<IntentResult>> {
  const { from, to, until } = INTENTS[operation];
  const empty = await lockAndSeeEmpty(tx, id);
  const before = await readForEdit<Node>(tx, NodeEntity, id);
  const result = { nodeId: id };
  if (before.intent === to) return { result, changed: [] };
  if (!(from as readonly NodeIntent[]).includes(before.intent)) {
    throw new InvalidStateError(operation, before.intent, allowedIntents(before.intent));
  }
  const intent = empty ? to : (until ?? to);
  const after = await updateVersioned(tx, NodeEntity, before, { intent });
  return { result, changed: [{ type: resourceType, id, before, after }] };
}

function intentCommand(operation: IntentOperation, name: string) {
  return defineCommand({
    name,
    resourceType,
    permission: 'node:update',
    subject: (input: { id: string }) => ({ entity: NodeEntity, id: input.id }),
    input: z.object({ id: idOf('HypervisorNode') }),
    errors: [InvalidStateError],
    run: (context, { id }) => change(context, operation, id),
  });
}

export const cordonHypervisorNode = intentCommand('CORDON', 'node.cordon');
export const uncordonHypervisorNode = intentCommand('UNCORDON', 'node.uncordon');
export const enterMaintenance = intentCommand('ENTER_MAINTENANCE', 'node.enterMaintenance');
export const exitMaintenance = intentCommand('EXIT_MAINTENANCE', 'node.exitMaintenance');
