/** What a report says of the node itself: it is alive, and this is its hardware. */
import type { Change } from '../../core/command.js';
import { stableStringify } from '../../core/json.js';
import { written } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import type { Node } from '../../gen/client/client.js';
import { type Condition, setCondition } from '../node/rules.js';
import { allocatableOf } from '../node/spec.js';
import type { Report } from './input.js';

/**
 * Most reports only move the heartbeat: one small statement that touches neither version nor updated_at, and no cached answer
 * (unseen: see data/writes.ts; what shows these columns is not cacheable).
 * It comes first, so that two reports of one node take effect one after the other, whatever became of their locks.
 * Reports of one agent process are numbered; a new process starts anew.
 * @returns false when this report has been overtaken (or there is no such node): then nothing was written
 */
export async function recordHeartbeat(tx: Tx, report: Report, now: Date): Promise<boolean> {
  const { nodeId, agentInstance, sequence } = report;
  const moved = await tx.$executeRaw`
    UPDATE nodes SET /* unseen */ last_heartbeat = ${now}, agent_instance = ${agentInstance}::uuid, report_sequence = ${sequence}
    WHERE id = ${nodeId}::uuid
      AND (agent_instance IS DISTINCT FROM ${agentInstance}::uuid OR report_sequence < ${sequence})`;
  return moved === 1;
}

/** Writes what the report changes of the node's own row. What the operator wants (intent) is not for a report to change. */
export async function recordNode(tx: Tx, node: Node, report: Report, now: Date): Promise<Change[]> {
  const data = changesOf(node, report, now);
  if (Object.keys(data).length === 0) return [];
  const after = await tx.node.update({ where: { id: node.id }, data: data as object });
  const told = written(node, after, data);
  return [{ type: 'HypervisorNode', id: node.id, before: node, after: told }];
}

function changesOf(node: Node, report: Report, now: Date): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  if (node.phase !== 'READY') {
    const ready = {
      type: 'Ready',
      status: 'TRUE',
      reason: 'AgentReports',
      message: 'The agent reports',
    } as const;
    changes.phase = 'READY';
    changes.conditions = setCondition(node.conditions as unknown as Condition[], ready, now);
  }
  const { spec, systemInfo } = report;
  if (spec && stableStringify(spec) !== stableStringify(node.spec)) {
    changes.spec = spec;
    changes.allocatable = allocatableOf(spec);
  }
  if (systemInfo && stableStringify(systemInfo) !== stableStringify(node.systemInfo))
    changes.systemInfo = systemInfo;
  return changes;
}
