/** What the control plane itself does with recommendations: puts away those that make no sense any more. Given by the controller drs-expiry. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import type { DrsRecommendation } from '../../gen/client/client.js';
import { DrsRecommendationEntity } from './queries.js';
import { whyExpired } from './rules.js';

/** What the rule looks at. */
export const EXPIRY_FACTS = {
  virtualMachine: { select: { nodeId: true, powerState: true } },
  targetNode: { select: { intent: true } },
} as const;

/** Looks again inside the transaction: whoever decided meanwhile wins, and what has come back makes sense again. */
export const expireDrsRecommendation = defineCommand({
  name: 'drs.expire',
  resourceType: 'DrsRecommendation',
  permission: 'drs:update',
  subject: (input: { id: string }) => ({ entity: DrsRecommendationEntity, id: input.id }),
  input: z.object({ id: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run({ tx, now, services }, { id }) {
    const before = await readForEdit<DrsRecommendation>(tx, DrsRecommendationEntity, id);
    const facts = await tx.drsRecommendation.findUniqueOrThrow({
      where: { id },
      include: EXPIRY_FACTS,
    });
    const why = whyExpired(facts, now, services.config.drs.recommendationMaxAgeMs);
    const result = { recommendationId: id };
    if (why === null) return { result, changed: [] };
    const after = await updateVersioned(tx, DrsRecommendationEntity, before, { status: 'EXPIRED' });
    return { result, changed: [{ type: 'DrsRecommendation', id, before, after }] };
  },
});
