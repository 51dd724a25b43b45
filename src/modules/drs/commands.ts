/** What a person decides about a recommendation. Applying does it in the same transaction, or refuses because things have changed. */
import { z } from 'zod';
import { type Change, defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { idOf } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { InvalidStateError, NoSuitableNodeError, StaleRecommendationError } from '../../errors.js';
import type { DrsRecommendation } from '../../gen/client/client.js';
import { type OperationResult, readIdle } from '../virtual-machine/begin.js';
import { beginMigration } from '../virtual-machine/migration.js';
import { operate } from '../virtual-machine/power.js';
import { DrsRecommendationEntity } from './queries.js';
import { allowedDecisions, DRS_OPERATIONS, requireDecision, staleness } from './rules.js';

const resourceType = 'DrsRecommendation';
const subject = (input: { id: string }) => ({ entity: DrsRecommendationEntity, id: input.id });
const input = z.object({ id: idOf('DrsRecommendation') });

const read = ({ tx }: RunContext, id: string) =>
  readForEdit<DrsRecommendation>(tx, DrsRecommendationEntity, id);

function decision(operation: 'APPROVE' | 'REJECT', name: string) {
  return defineCommand({
    name,
    resourceType,
    permission: 'drs:update',
    subject,
    input,
    errors: [InvalidStateError],
    async run(context, { id }) {
      const before = await read(context, id);
      const status = DRS_OPERATIONS[operation];
      const result = { recommendationId: id };
      if (before.status === status) return { result, changed: [] };
      requireDecision(operation, before.status);
      const after = await updateVersioned(context.tx, DrsRecommendationEntity, before, { status });
      return { result, changed: [{ type: resourceType, id, before, after }] };
    },
  });
}

export const approveDrsRecommendation = decision('APPROVE', 'drs.approve');
export const rejectDrsRecommendation = decision('REJECT', 'drs.reject');

export const applyDrsRecommendation = defineCommand({
  name: 'drs.apply',
  resourceType,
  permission: 'drs:update',
  subject,
  input,
  errors: [InvalidStateError, StaleRecommendationError],
  async run(context, { id }) {
    const { tx, now, viewer } = context;
    const before = await read(context, id);
    requireDecision('APPLY', before.status);
    if (before.virtualMachineId === null)
      throw new InvalidStateError(
        'APPLY',
        before.status,
        allowedDecisions(before.status).filter((name) => name !== 'APPLY'),
        'It is about no virtual machine: switch the node yourself.',
      );
    const done = await carryOut(context, before, before.virtualMachineId);
    const after = await updateVersioned(tx, DrsRecommendationEntity, before, {
      status: DRS_OPERATIONS.APPLY,
      appliedAt: now,
      appliedById: viewer.userId,
    });
    const own: Change = { type: resourceType, id, before, after };
    return {
      result: { recommendationId: id, ...done.result },
      changed: [own, ...done.changed],
    };
  },
});

/** @throws StaleRecommendationError where it makes no sense any more, or no node has room for it now */
async function carryOut(
  context: RunContext,
  { recommendationType, sourceNodeId, targetNodeId }: DrsRecommendation,
  vmId: string,
): Promise<Outcome<OperationResult>> {
  try {
    if (recommendationType === 'POWER_ON') return await operate(context, 'START', vmId, false);
    if (recommendationType === 'POWER_OFF') return await operate(context, 'STOP', vmId, false);
    const machine = await readIdle(context.tx, vmId);
    const source = machine.nodeId
      ? await context.tx.node.findUnique({ where: { id: machine.nodeId } })
      : null;
    const why = staleness({ sourceNodeId, targetNodeId, machine, source });
    if (why !== null || targetNodeId === null) throw new StaleRecommendationError(why ?? '');
    return await beginMigration(context, machine, targetNodeId);
  } catch (error) {
    if (!(error instanceof NoSuitableNodeError)) throw error;
    const target = error.verdicts.find((verdict) => verdict.nodeId === targetNodeId);
    throw new StaleRecommendationError(
      target ? `${target.hostname} ${target.reasons.join(', ')}` : 'no node can take it',
    );
  }
}
