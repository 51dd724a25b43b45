/** What becomes of each machine of a node that is to be emptied: a plan whose parts fit together. Pure. */
import type { PowerState, TaskOperation } from '../../gen/client/enums.js';
import type { Capacity } from '../node/rules.js';
import {
  type Candidate,
  type PlacementRequest,
  type PlacementSettings,
  place,
} from './placement.js';
import { OPERATIONS } from './rules.js';

type Labels = Readonly<Record<string, string>>;

/** A machine on the node, or on its way there. */
export interface Leaver {
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly labels: Labels;
  readonly powerState: PowerState;
  readonly capacityClaimed: boolean;
  readonly request: PlacementRequest;
  /** The unfinished task about it. */
  readonly task: { readonly operation: TaskOperation; readonly targetNodeId: string | null } | null;
  /** Its last migration away came to nothing, so recently that it is not tried again yet. */
  readonly failure: { readonly message: string; readonly retryAt: Date } | null;
}

/** Another node, with the machines on it by project: affinity never looks at other tenants. */
export interface Shelter extends Omit<Candidate, 'neighbours'> {
  readonly residents: readonly { readonly projectId: string; readonly labels: Labels }[];
}

export interface Step {
  readonly virtualMachineId: string;
  /** MOVES: can begin. MOVING: has begun. BLOCKED: cannot, see `reason`. */
  readonly state: 'MOVES' | 'MOVING' | 'BLOCKED';
  readonly targetNodeId: string | null;
  readonly reason: string | null;
  /** Whether the node is not empty before this one has gone; a machine that is off claims nothing. */
  readonly holds: boolean;
}

/** The largest first, for they are the hardest to find room for; machines that are off last: they take nothing from the others. */
function inOrder(a: Leaver, b: Leaver): number {
  const size = ({ request: { resources } }: Leaver) => resources.memoryMib;
  return (
    Number(b.capacityClaimed) - Number(a.capacityClaimed) ||
    size(b) - size(a) ||
    (a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1)
  );
}

/**
 * A step for each machine. What one takes of a node is not there for the next.
 * @param source the node that is emptied
 * @param shelters all others
 */
export function planEvacuation(
  source: { readonly id: string; readonly reports: boolean },
  leavers: readonly Leaver[],
  shelters: readonly Shelter[],
  settings: PlacementSettings,
): Step[] {
  const nodes = new Map(shelters.map((node) => [node.id, node]));
  return [...leavers].sort(inOrder).map((vm) => {
    const task = vm.task;
    const arrives = task?.targetNodeId === source.id;
    const step = { virtualMachineId: vm.id, holds: vm.capacityClaimed || arrives };
    if (arrives) return { ...step, ...blocked('is on its way here: its migration must end first') };
    if (task?.operation === 'MIGRATE')
      return { ...step, state: 'MOVING', targetNodeId: task.targetNodeId, reason: null };
    const obstacle = obstacleOf(vm, source.reports);
    if (obstacle !== null) return { ...step, ...blocked(obstacle) };
    const candidates = [...nodes.values()].map((node) => seenBy(vm, node));
    const { ranked, verdicts } = place(vm.request, candidates, settings);
    const taker = nodes.get(ranked[0] ?? '');
    if (!taker) return { ...step, ...blocked(noRoom(verdicts)) };
    if (vm.capacityClaimed) nodes.set(taker.id, withGuest(taker, vm));
    return { ...step, state: 'MOVES', targetNodeId: taker.id, reason: null };
  });
}

function blocked(reason: string): Pick<Step, 'state' | 'targetNodeId' | 'reason'> {
  return { state: 'BLOCKED', targetNodeId: null, reason };
}

/** What keeps a machine where it is, whatever room there is elsewhere; null: nothing. */
function obstacleOf(vm: Leaver, sourceReports: boolean): string | null {
  if (vm.task) return `the task ${vm.task.operation} is at work on it`;
  const { from, hints } = OPERATIONS.MIGRATE;
  if (!from.includes(vm.powerState))
    return `is ${vm.powerState}. ${hints[vm.powerState] ?? ''}`.trim();
  const off = vm.powerState === 'STOPPED';
  if (off && vm.capacityClaimed) return 'is STOPPED, but its node has not let go of it yet';
  if (!off && !sourceReports) return 'its node does not report; bring the node back first';
  if (vm.failure)
    return `its migration came to nothing: ${vm.failure.message}. It is tried again at ${vm.failure.retryAt.toISOString()}`;
  return null;
}

function noRoom(verdicts: readonly { hostname: string; reasons: readonly string[] }[]): string {
  if (verdicts.length === 0) return 'there is no other node';
  const each = verdicts.slice(0, 10).map((v) => `${v.hostname} (${v.reasons.join(', ')})`);
  return `no other node can take it: ${each.join('; ')}`;
}

function seenBy(vm: Leaver, { residents, ...node }: Shelter): Candidate {
  const own = residents.filter(({ projectId }) => projectId === vm.projectId);
  return { ...node, neighbours: own.map(({ labels }) => labels) };
}

function withGuest(node: Shelter, vm: Leaver): Shelter {
  const { resources } = vm.request;
  const sum = (part: keyof Capacity): number => node.allocated[part] + resources[part];
  return {
    ...node,
    allocated: {
      vcpus: sum('vcpus'),
      memoryMib: sum('memoryMib'),
      storageGib: sum('storageGib'),
    },
    residents: [...node.residents, { projectId: vm.projectId, labels: vm.labels }],
  };
}
