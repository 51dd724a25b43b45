/** Placement: which hypervisor node takes a virtual machine, and why the others do not. Filters, then a score. Pure. */
import type { NodeVerdict, ScorePart } from '../../errors.js';
import type { NodeIntent, NodePhase } from '../../gen/client/enums.js';
import { type Capacity, effectivePhase, freeCapacity, type Overcommit } from '../node/rules.js';
import type { VmSpec } from './spec.js';

type Labels = Readonly<Record<string, string>>;

export interface Candidate {
  readonly id: string;
  readonly hostname: string;
  readonly clusterId: string;
  readonly phase: NodePhase;
  readonly intent: NodeIntent;
  readonly allocatable: Capacity;
  readonly allocated: Capacity;
  /** Labels of the project's machines placed there: affinity never looks at other tenants. */
  readonly neighbours: readonly Labels[];
}

export interface PlacementRequest {
  readonly resources: Capacity;
  readonly constraints: VmSpec['placement'];
  /** Must be in this cluster, if given. */
  readonly clusterId: string | null;
  /** The storage pools of its volumes: it runs only where all of them can be reached. No nodes named: everywhere. */
  readonly pools?: readonly { readonly name: string; readonly nodeIds: readonly string[] }[];
  /** Where it was last: better, all else being equal. */
  readonly preferredNodeId: string | null;
}

export interface PlacementSettings {
  readonly overcommit: Overcommit;
  readonly policy: 'spread' | 'pack';
}

export interface Placement {
  /** Every node, the best first. */
  readonly verdicts: readonly NodeVerdict[];
  /** The ids of the nodes that fit, the best first. */
  readonly ranked: readonly string[];
}

const PREFERENCE = 0.1;
const AFFINITY = 0.5;

export function place(
  request: PlacementRequest,
  candidates: readonly Candidate[],
  settings: PlacementSettings,
): Placement {
  const required = new Set(request.constraints?.requiredNodeIds);
  const verdicts = candidates
    .map((node): NodeVerdict => {
      const reasons = obstacles(request, node, settings.overcommit);
      const fits = reasons.length === 0;
      const parts = fits ? scoreParts(request, node, settings) : [];
      return {
        nodeId: node.id,
        hostname: node.hostname,
        fits,
        reasons,
        score: fits ? rounded(parts.reduce((sum, part) => sum + part.value, 0)) : null,
        parts,
      };
    })
    // Where none fits, those that were asked for by name come first. The host name breaks ties: the same question has the same answer.
    .sort(
      (a, b) =>
        (b.score ?? -1e9) - (a.score ?? -1e9) ||
        Number(required.has(b.nodeId)) - Number(required.has(a.nodeId)) ||
        (a.hostname < b.hostname ? -1 : 1),
    );
  return { verdicts, ranked: verdicts.filter((v) => v.fits).map((v) => v.nodeId) };
}

function obstacles(request: PlacementRequest, node: Candidate, overcommit: Overcommit): string[] {
  const { resources, constraints, clusterId } = request;
  const reasons: string[] = [];
  const phase = effectivePhase(node);
  if (clusterId !== null && node.clusterId !== clusterId) reasons.push('is in another cluster');
  if (phase !== 'READY') reasons.push(`is ${phase}`);
  if (node.intent === 'CORDONED') reasons.push('is cordoned');
  if (node.intent === 'DECOMMISSIONED') reasons.push('is decommissioned');
  if (constraints?.requiredNodeIds && !constraints.requiredNodeIds.includes(node.id))
    reasons.push('is not among the required nodes');
  if (constraints?.excludedNodeIds?.includes(node.id)) reasons.push('is excluded');
  for (const pool of request.pools ?? []) {
    if (pool.nodeIds.length > 0 && !pool.nodeIds.includes(node.id))
      reasons.push(`cannot reach ${pool.name}`);
  }
  const free = freeCapacity(node.allocatable, node.allocated, overcommit);
  if (free.vcpus < resources.vcpus)
    reasons.push(`has ${Math.max(0, free.vcpus)} of ${resources.vcpus} vCPUs free`);
  if (free.memoryMib < resources.memoryMib)
    reasons.push(`has ${Math.max(0, free.memoryMib)} of ${resources.memoryMib} MiB of memory free`);
  if (free.storageGib < resources.storageGib)
    reasons.push(
      `has ${Math.max(0, free.storageGib)} of ${resources.storageGib} GiB of storage free`,
    );
  if (constraints?.policy !== 'SOFT') {
    if (hasLabels(constraints?.affinityLabels) && !near(node, constraints?.affinityLabels))
      reasons.push('has none of the machines that it must be near');
    if (hasLabels(constraints?.antiAffinityLabels) && near(node, constraints?.antiAffinityLabels))
      reasons.push('has a machine that it must keep away from');
  }
  return reasons;
}

function hasLabels(labels: Labels | undefined): boolean {
  return labels !== undefined && Object.keys(labels).length > 0;
}

/** Whether a machine with all of these labels is on the node. */
function near(node: Candidate, labels: Labels | undefined): boolean {
  if (!labels || !hasLabels(labels)) return false;
  return node.neighbours.some((has) =>
    Object.entries(labels).every(([key, value]) => has[key] === value),
  );
}

/** Without the noise of binary fractions. */
const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

/** Between 0 and 1 for the load it would leave, plus bonuses. Spread likes empty nodes, pack likes full ones. */
function scoreParts(
  request: PlacementRequest,
  node: Candidate,
  { overcommit, policy }: PlacementSettings,
): ScorePart[] {
  const total = freeCapacity(
    node.allocatable,
    { vcpus: 0, memoryMib: 0, storageGib: 0 },
    overcommit,
  );
  const free = freeCapacity(node.allocatable, node.allocated, overcommit);
  const cpu = (free.vcpus - request.resources.vcpus) / Math.max(1, total.vcpus);
  const memory = (free.memoryMib - request.resources.memoryMib) / Math.max(1, total.memoryMib);
  const room = (cpu + memory) / 2;
  const { constraints } = request;
  const soft = constraints?.policy === 'SOFT';
  const bonuses: [name: string, applies: boolean, value: number][] = [
    ['PREFERENCE', node.id === request.preferredNodeId, PREFERENCE],
    ['AFFINITY', soft && near(node, constraints?.affinityLabels), AFFINITY],
    ['ANTI_AFFINITY', soft && near(node, constraints?.antiAffinityLabels), -AFFINITY],
  ];
  return [
    { name: 'LOAD', value: rounded(policy === 'spread' ? room : 1 - room) },
    ...bonuses.filter(([, applies]) => applies).map(([name, , value]) => ({ name, value })),
  ];
}

/** The verdict after a lost race: what never fitted keeps its own reasons. */
export function lost(verdict: NodeVerdict): NodeVerdict {
  if (!verdict.fits) return verdict;
  return { ...verdict, fits: false, score: null, parts: [], reasons: ['was taken meanwhile'] };
}
