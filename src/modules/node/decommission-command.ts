/** Taking a node out of service for ever. Its row stays, for the history that names it; its agent is not heard any more. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { idOf, version } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { InUseError } from '../../errors.js';
import type { Node } from '../../gen/client/client.js';
import { endAgentTokens } from './agent-tokens.js';
import { lockAndSeeEmpty } from './drain.js';
import { refuseWhileUsed } from './leaving.js';
import { NodeEntity } from './queries.js';

const resourceType = 'HypervisorNode';

export const decommissionHypervisorNode = defineCommand({
  name: 'node.decommission',
  resourceType,
  permission: 'node:delete',
  subject: (input: { id: string }) => ({ entity: NodeEntity, id: input.id }),
  input: z.object({ id: idOf('HypervisorNode'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer, now }, { id, expectedVersion }) {
    await lockAndSeeEmpty(tx, id); // nobody can claim anything there until the intent is written
    const before = await readForEdit<Node>(tx, NodeEntity, id, expectedVersion);
    const result = { nodeId: id };
    if (before.intent === 'DECOMMISSIONED') return { result, changed: [] };
    await refuseWhileUsed(tx, viewer, id);
    const after = await updateVersioned(tx, NodeEntity, before, { intent: 'DECOMMISSIONED' });
    const ended = await endAgentTokens(tx, id, now);
    return { result, changed: [{ type: resourceType, id, before, after }, ...ended] };
  },
});
