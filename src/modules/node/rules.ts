/** Hypervisor nodes: phases, heartbeats, capacity and placement's view of a node. Pure. */
import type { NodeIntent, NodePhase } from '../../gen/client/enums.js';

export type EffectivePhase = NodePhase;
type Where = Record<string, unknown>;

/** What the API shows: intent wins where it means "out of service", else what was observed. */
export function effectivePhase(node: { phase: NodePhase; intent: NodeIntent }): EffectivePhase {
  return node.intent === 'MAINTENANCE' || node.intent === 'DRAINING' ? node.intent : node.phase;
}

/** The condition for nodes whose effective phase is one of these: `effectivePhase`, said in SQL. */
export function phaseWhere(phases: readonly EffectivePhase[]): Where {
  const intents = phases.filter((p) => p === 'MAINTENANCE' || p === 'DRAINING');
  return {
    OR: [
      { intent: { in: intents } },
      { intent: { notIn: ['MAINTENANCE', 'DRAINING'] }, phase: { in: [...phases] } },
    ],
  };
}

export interface HeartbeatLimits {
  readonly notReadyAfterMs: number;
  readonly disconnectedAfterMs: number;
}

/** The phase that a node's silence calls for, or null when it stays. A node that never reported stays PENDING. */
export function phaseAfterSilence(
  node: { phase: NodePhase; lastHeartbeat: Date | null },
  now: Date,
  limits: HeartbeatLimits,
): NodePhase | null {
  if (node.lastHeartbeat === null) return null;
  const silence = now.getTime() - node.lastHeartbeat.getTime();
  const due: NodePhase | null =
    silence >= limits.disconnectedAfterMs
      ? 'DISCONNECTED'
      : silence >= limits.notReadyAfterMs
        ? 'NOT_READY'
        : null;
  if (due === null || due === node.phase) return null;
  // Silence only ever makes it worse: a restarted controller must not turn DISCONNECTED back into NOT_READY.
  return node.phase === 'DISCONNECTED' ? null : due;
}

export interface Condition {
  readonly type: string;
  readonly status: 'TRUE' | 'FALSE' | 'UNKNOWN';
  readonly reason: string;
  readonly message: string;
  readonly changedAt: string;
}

/** One condition for each type: a new one replaces the old one, and keeps its moment when the status is the same. */
export function setCondition(
  conditions: readonly Condition[],
  next: Omit<Condition, 'changedAt'>,
  now: Date,
): Condition[] {
  const old = conditions.find((c) => c.type === next.type);
  const changedAt = old?.status === next.status ? old.changedAt : now.toISOString();
  return [...conditions.filter((c) => c.type !== next.type), { ...next, changedAt }];
}

export interface Capacity {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly storageGib: number;
}

export const NO_CAPACITY: Capacity = { vcpus: 0, memoryMib: 0, storageGib: 0 };

export interface Overcommit {
  readonly cpu: number;
  readonly memory: number;
}

/** What is left of a node for claims: what it has, times overcommit, less what is claimed. */
export function freeCapacity(
  allocatable: Capacity,
  allocated: Capacity,
  overcommit: Overcommit,
): Capacity {
  return {
    vcpus: times(allocatable.vcpus, overcommit.cpu) - allocated.vcpus,
    memoryMib: times(allocatable.memoryMib, overcommit.memory) - allocated.memoryMib,
    storageGib: allocatable.storageGib - allocated.storageGib,
  };
}

/** Decimal like the claim's own SQL: 100 x 1.15 is 115, although the product of the two doubles is a little less. */
function times(amount: number, ratio: number): number {
  return Math.floor(Math.round(amount * ratio * 1e6) / 1e6);
}

/** The parts of a capacity record as the database holds it; absent figures are 0. */
export function capacityOf(json: unknown): Capacity {
  return { ...NO_CAPACITY, ...(json as Partial<Capacity> | null) };
}

export type IntentOperation = 'CORDON' | 'UNCORDON' | 'ENTER_MAINTENANCE' | 'EXIT_MAINTENANCE';

/** `until`: where it stays while anything is still claimed on it; it goes on by itself when nothing is. */
export const INTENTS = {
  CORDON: { from: ['IN_SERVICE'], to: 'CORDONED', until: null },
  UNCORDON: { from: ['CORDONED'], to: 'IN_SERVICE', until: null },
  ENTER_MAINTENANCE: {
    from: ['IN_SERVICE', 'CORDONED', 'DRAINING'],
    to: 'MAINTENANCE',
    until: 'DRAINING',
  },
  EXIT_MAINTENANCE: { from: ['MAINTENANCE', 'DRAINING'], to: 'IN_SERVICE', until: null },
} as const satisfies Record<
  IntentOperation,
  { from: readonly NodeIntent[]; to: NodeIntent; until: NodeIntent | null }
>;

export function allowedIntents(intent: NodeIntent): IntentOperation[] {
  const operations = Object.keys(INTENTS) as IntentOperation[];
  return operations.filter((name) =>
    (INTENTS[name].from as readonly NodeIntent[]).includes(intent),
  );
}
