/** What an operator wants of a node: cordon, uncordon, maintenance. Transitions are a table; no report of the agent changes the intent. */
import { z } from 'zod';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { usesOf } from '../../core/usage.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { InUseError, InvalidStateError } from '../../errors.js';
import type { Node } from '../../gen/client/client.js';
import type { NodeIntent } from '../../gen/client/enums.js';
import { NodeEntity } from './queries.js';
import { allowedIntents, INTENTS, type IntentOperation } from './rules.js';

const resourceType = 'HypervisorNode';

interface IntentResult {
  readonly nodeId: string;
}

/**
 * The intent is written first and what the node still runs is looked at then: the row is locked by the write,
 * so a start that claims capacity there has either committed, and is seen, or finds the node out of service.
 */
async function change(
  { tx, viewer }: RunContext,
  operation: IntentOperation,
  id: string,
): Promise<Outcome<IntentResult>> {
  const { from, to, empties } = INTENTS[operation];
  const before = await readForEdit<Node>(tx, NodeEntity, id);
  const result = { nodeId: id };
  if (before.intent === to) return { result, changed: [] };
  if (!(from as readonly NodeIntent[]).includes(before.intent)) {
    throw new InvalidStateError(operation, before.intent, allowedIntents(before.intent));
  }
  const after = await updateVersioned(tx, NodeEntity, before, { intent: to });
  if (empties) {
    const held = await usesOf(tx, viewer, {
      VirtualMachine: { nodeId: id, capacityClaimed: true },
    });
    if (held.length > 0) throw new InUseError(resourceType, held);
  }
  return { result, changed: [{ type: resourceType, id, before, after }] };
}

function intentCommand(operation: IntentOperation, name: string) {
  return defineCommand({
    name,
    resourceType,
    permission: 'node:update',
    subject: (input: { id: string }) => ({ entity: NodeEntity, id: input.id }),
    input: z.object({ id: idOf('HypervisorNode') }),
    errors: INTENTS[operation].empties ? [InvalidStateError, InUseError] : [InvalidStateError],
    lock: (input) => [`node/${input.id}`],
    run: (context, { id }) => change(context, operation, id),
  });
}

export const cordonHypervisorNode = intentCommand('CORDON', 'node.cordon');
export const uncordonHypervisorNode = intentCommand('UNCORDON', 'node.uncordon');
export const enterMaintenance = intentCommand('ENTER_MAINTENANCE', 'node.enterMaintenance');
export const exitMaintenance = intentCommand('EXIT_MAINTENANCE', 'node.exitMaintenance');
