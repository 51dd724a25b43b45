/** The tokens of a node's agent, when others take their place or the node goes. */
import type { Change } from '../../core/command.js';
import type { Tx } from '../../data/client.js';

/** Ends all that count, each as a change of its own: what an agent follows with one ends when it is told of. */
export async function endAgentTokens(tx: Tx, nodeId: string, now: Date): Promise<Change[]> {
  const ended = await tx.apiToken.updateManyAndReturn({
    where: { nodeId, revokedAt: null },
    data: { revokedAt: now },
  });
  return ended.map(({ tokenHash: _, ...after }) => ({
    type: 'ApiToken',
    id: after.id,
    before: { ...after, revokedAt: null },
    after,
  }));
}
