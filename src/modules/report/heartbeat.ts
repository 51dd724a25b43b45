/** What a report says of the node itself: it is alive, and this is its hardware. */
import type { Change } from '../../core/command.js';
import { stableStringify } from '../../core/json.js';
import type { Tx } from '../../data/client.js';
import type { Node } from '../../gen/client/client.js';
import { type Condition, setCondition } from '../node/rules.js';
import { allocatableOf } from '../node/spec.js';
import type { Report } from './input.js';

/**
 * Most reports only move the heartbeat: one small statement that touches neither version nor updated_at.
 * What the operator wants (intent) is not for a report to change.
 */
export async function recordHeartbeat(
  tx: Tx,
  node: Node,
  report: Report,
  now: Date,
): Promise<Change[]> {
  await tx.$executeRaw`
    UPDATE nodes SET last_heartbeat = ${now}, agent_instance = ${report.agentInstance}::uuid, report_sequence = ${report.sequence}
    WHERE id = ${node.id}::uuid`;
  const data = changesOf(node, report, now);
  if (Object.keys(data).length === 0) return [];
  const after = await tx.node.update({ where: { id: node.id }, data: data as object });
  return [{ type: 'HypervisorNode', id: node.id, before: node, after }];
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
