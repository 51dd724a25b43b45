/** The life of a recommendation: one table. Pure. */
import { InvalidStateError } from '../../errors.js';
import type { DrsRecommendationType, DrsStatus } from '../../gen/client/enums.js';

export const DRS_TRANSITIONS: Readonly<Record<DrsStatus, readonly DrsStatus[]>> = {
  PENDING: ['APPROVED', 'REJECTED', 'APPLIED', 'EXPIRED'],
  APPROVED: ['APPLIED', 'REJECTED', 'EXPIRED'],
  APPLIED: [],
  REJECTED: [],
  EXPIRED: [],
};

/** Those that somebody may still decide about, or carry out. */
export const OPEN_STATUSES = ['PENDING', 'APPROVED'] as const satisfies readonly DrsStatus[];

/** What a person can do with a recommendation, and what becomes of it. */
export const DRS_OPERATIONS = {
  APPROVE: 'APPROVED',
  REJECT: 'REJECTED',
  APPLY: 'APPLIED',
} as const satisfies Record<string, DrsStatus>;

export type DrsOperation = keyof typeof DRS_OPERATIONS;

export function allowedDecisions(status: DrsStatus): DrsOperation[] {
  const operations = Object.keys(DRS_OPERATIONS) as DrsOperation[];
  return operations.filter((name) => DRS_TRANSITIONS[status].includes(DRS_OPERATIONS[name]));
}

/** @throws InvalidStateError naming what is possible instead */
export function requireDecision(operation: DrsOperation, status: DrsStatus): void {
  if (DRS_TRANSITIONS[status].includes(DRS_OPERATIONS[operation])) return;
  throw new InvalidStateError(operation, status, allowedDecisions(status));
}

interface Facts {
  readonly sourceNodeId: string | null;
  readonly targetNodeId: string | null;
  readonly machine: { readonly nodeId: string | null; readonly powerState: string };
  /** The node that it is to leave. */
  readonly source: { readonly phase: string; readonly intent: string } | null;
}

/** Why a migration makes no sense any more; null: it does, if the target has room. */
export function staleness({ sourceNodeId, targetNodeId, machine, source }: Facts): string | null {
  if (targetNodeId === null) return 'its target is gone';
  if (machine.powerState !== 'RUNNING') return `the virtual machine is ${machine.powerState}`;
  if (sourceNodeId !== null && machine.nodeId !== sourceNodeId)
    return 'the virtual machine is not on the source node any more';
  if (machine.nodeId === targetNodeId) return 'the virtual machine is on the target already';
  if (source?.phase !== 'READY') return 'the source node does not report';
  if (source.intent === 'MAINTENANCE' || source.intent === 'DECOMMISSIONED')
    return 'the source node is out of service';
  return null;
}

interface Recommendation {
  readonly status: DrsStatus;
  readonly recommendationType: DrsRecommendationType;
  readonly createdAt: Date;
  readonly sourceNodeId: string | null;
  readonly targetNodeId: string | null;
  readonly virtualMachine: { readonly nodeId: string | null; readonly powerState: string } | null;
  readonly targetNode: { readonly intent: string } | null;
}

/** Why nobody should carry it out any more, for good; null: it stays. What may pass, such as a node that is silent, does not count. */
export function whyExpired(of: Recommendation, now: Date, maxAgeMs: number): string | null {
  if (!(OPEN_STATUSES as readonly DrsStatus[]).includes(of.status)) return null;
  if (of.createdAt.getTime() + maxAgeMs <= now.getTime()) return 'it is too old';
  if (of.recommendationType !== 'MIGRATE') return null;
  const { virtualMachine: machine, sourceNodeId, targetNodeId, targetNode } = of;
  if (!machine) return 'its virtual machine is gone';
  if (targetNodeId === null) return 'its target is gone';
  if (targetNode?.intent === 'MAINTENANCE' || targetNode?.intent === 'DECOMMISSIONED')
    return 'its target is out of service';
  if (machine.powerState === 'STOPPED') return 'the virtual machine is STOPPED';
  if (sourceNodeId !== null && machine.nodeId !== sourceNodeId)
    return 'the virtual machine is not on the source node any more';
  return machine.nodeId === targetNodeId ? 'the virtual machine is on the target already' : null;
}
