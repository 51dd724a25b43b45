/** What the control plane itself does to nodes: nobody reports, so it says so; it is empty, so it is out of service. Given by the controllers node-health and maintenance. */
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { updateVersioned, written } from '../../core/versioned.js';
import type { Node } from '../../gen/client/client.js';
import { lockAndSeeEmpty } from './drain.js';
import { NodeEntity } from './queries.js';
import { type Condition, phaseAfterSilence, setCondition } from './rules.js';

/** Looks again inside the transaction: a report that came in meanwhile wins. */
export const markSilentNode = defineCommand({
  name: 'node.markSilent',
  resourceType: 'HypervisorNode',
  permission: 'node:update',
  subject: (input: { nodeId: string }) => ({ entity: NodeEntity, id: input.nodeId }),
  input: z.object({ nodeId: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run({ tx, now, services }, { nodeId }) {
    const before = await tx.node.findUniqueOrThrow({ where: { id: nodeId } });
    const phase = phaseAfterSilence(before, now, services.config.ha);
    const result = { nodeId, phase };
    if (phase === null) return { result, changed: [] };
    const conditions = setCondition(
      before.conditions as unknown as Condition[],
      {
        type: 'Ready',
        status: phase === 'DISCONNECTED' ? 'UNKNOWN' : 'FALSE',
        reason: 'AgentSilent',
        message: 'The agent does not report',
      },
      now,
    );
    const data = { phase, conditions: conditions as object[] };
    const [row] = await tx.node.updateManyAndReturn({
      where: { id: nodeId, lastHeartbeat: before.lastHeartbeat, phase: before.phase },
      data,
    });
    const after = row && written(before, row, data);
    if (!after) return { result: { nodeId, phase: null }, changed: [] };
    const vms = phase === 'DISCONNECTED' ? await loseSight(tx, nodeId) : [];
    return { result, changed: [{ type: 'HypervisorNode', id: nodeId, before, after }, ...vms] };

    async function loseSight(client: typeof tx, id: Node['id']) {
      const where = {
        nodeId: id,
        powerState: { notIn: ['STOPPED', 'UNKNOWN'] as ('STOPPED' | 'UNKNOWN')[] },
      };
      // Held before they are read: what somebody writes meanwhile is told by its own entry.
      await client.$queryRaw`SELECT id FROM virtual_machines WHERE node_id = ${id}::uuid ORDER BY id FOR UPDATE`;
      const seen = await client.virtualMachine.findMany({ where });
      const data = { powerState: 'UNKNOWN', statusMessage: 'Its node does not report' } as const;
      const lost = await client.virtualMachine.updateManyAndReturn({
        where: { ...where, id: { in: seen.map((vm) => vm.id) } },
        data,
      });
      const known = new Map(seen.map((vm) => [vm.id, vm]));
      return lost.map((vm) => {
        const was = known.get(vm.id) ?? vm;
        return {
          type: 'VirtualMachine',
          id: vm.id,
          before: was,
          after: written(was, vm, data),
        };
      });
    }
  },
});

/** A node that was to be emptied, and is. Looks again inside the transaction: whoever ended the drain meanwhile wins. */
export const finishDraining = defineCommand({
  name: 'node.finishDraining',
  resourceType: 'HypervisorNode',
  permission: 'node:update',
  subject: (input: { nodeId: string }) => ({ entity: NodeEntity, id: input.nodeId }),
  input: z.object({ nodeId: z.uuid() }),
  errors: [],
  audit: 'changes',
  async run({ tx }, { nodeId }) {
    const empty = await lockAndSeeEmpty(tx, nodeId);
    const before = await tx.node.findUniqueOrThrow({ where: { id: nodeId } });
    const result = { nodeId };
    if (!empty || before.intent !== 'DRAINING') return { result, changed: [] };
    const after = await updateVersioned(tx, NodeEntity, before, { intent: 'MAINTENANCE' });
    return { result, changed: [{ type: 'HypervisorNode', id: nodeId, before, after }] };
  },
});
