/** Placement against the database: reads the candidates, lets the rules decide, and claims capacity. */
import type { RunContext } from '../../core/command.js';
import type { Tx } from '../../data/client.js';
import { type NodeVerdict, NoSuitableNodeError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { claimCapacity } from '../node/capacity.js';
import { type Capacity, capacityOf } from '../node/rules.js';
import { type CalledPool, poolsCalled } from '../storage/pool-names.js';
import {
  type Candidate,
  lost,
  type Placement,
  type PlacementRequest,
  type PlacementSettings,
  place,
} from './placement.js';
import { resourcesOf, type VmSpec } from './spec.js';

type Asking = Pick<RunContext, 'tx' | 'viewer'>;

export function placementSettings({ config }: RunContext['services']): PlacementSettings {
  const { cpuOvercommit, memoryOvercommit, policy } = config.placement;
  return { overcommit: { cpu: cpuOvercommit, memory: memoryOvercommit }, policy };
}

/** The decision as things are now; nothing is claimed. Throws NoSuitableNodeError with each node's verdict. */
export async function choosePlacement(
  tx: Tx,
  projectId: string,
  request: PlacementRequest,
  settings: PlacementSettings,
): Promise<{ placement: Placement; candidates: readonly Candidate[] }> {
  const candidates = await readCandidates(tx, projectId, request);
  const placement = place(request, candidates, settings);
  if (placement.ranked.length === 0) throw new NoSuitableNodeError(placement.verdicts);
  return { placement, candidates };
}

/**
 * Claims capacity on the best node that still has it. The loser of a race tries the next best,
 * and when all were taken meanwhile, decides anew once, so that the verdicts it reports are true.
 */
export async function claimPlacement(
  tx: Tx,
  projectId: string,
  request: PlacementRequest,
  settings: PlacementSettings,
): Promise<string> {
  for (let round = 0; round < 2; round += 1) {
    const { placement } = await choosePlacement(tx, projectId, request, settings);
    for (const nodeId of placement.ranked) {
      if (await claimCapacity(tx, nodeId, request.resources, settings.overcommit)) return nodeId;
    }
  }
  const { placement } = await choosePlacement(tx, projectId, request, settings);
  throw new NoSuitableNodeError(placement.verdicts.map(lost));
}

/** What a machine that does not exist yet asks of a node. */
export function requestForNew(spec: VmSpec): PlacementRequest {
  return {
    resources: resourcesOf(spec),
    constraints: spec.placement,
    clusterId: spec.placement?.clusterId ?? null,
    preferredNodeId: null,
  };
}

/** What a machine that is off asks of a node when it starts: where it was last is better, all else being equal. */
export async function requestForStart(
  asking: Asking,
  vm: VirtualMachine,
): Promise<PlacementRequest> {
  return {
    resources: capacityOf(vm.resources),
    constraints: (vm.spec as unknown as VmSpec).placement,
    clusterId: vm.clusterId,
    preferredNodeId: vm.nodeId,
    pools: await poolsOf(asking, vm.id),
  };
}

/** Every node's verdict as things are now, the best first. */
export async function explainPlacement(
  tx: Tx,
  projectId: string,
  request: PlacementRequest,
  settings: PlacementSettings,
): Promise<Placement> {
  return place(request, await readCandidates(tx, projectId, request), settings);
}

/** The pools of the volumes that are attached to a machine, as placement asks for them. */
export async function poolsOf(asking: Asking, vmId: string): Promise<CalledPool[]> {
  return [...(await poolsCalled(asking, { volumes: { some: { attachedVmId: vmId } } })).values()];
}

/** Of pools that volumes are to be made in, and of volumes that are to be attached. */
export async function poolsFor(
  asking: Asking,
  poolIds: readonly string[],
  volumeIds: readonly string[],
): Promise<CalledPool[]> {
  if (poolIds.length + volumeIds.length === 0) return [];
  const holding = { volumes: { some: { id: { in: [...volumeIds] } } } };
  const called = await poolsCalled(asking, { OR: [{ id: { in: [...poolIds] } }, holding] });
  return [...called.values()];
}

/** Why a node cannot take this much more. */
export async function shortfall(
  tx: Tx,
  nodeId: string,
  more: Capacity,
  { overcommit, policy }: PlacementSettings,
  pools: PlacementRequest['pools'] = [],
): Promise<NodeVerdict> {
  const request = {
    resources: more,
    constraints: { requiredNodeIds: [nodeId] },
    clusterId: null,
    preferredNodeId: null,
    pools,
  };
  const nodes = await readCandidates(tx, '', request, [nodeId]);
  const [verdict] = place(request, nodes, { overcommit, policy }).verdicts;
  return verdict ?? { nodeId, hostname: '', fits: false, reasons: ['is gone'], score: null };
}

async function readCandidates(
  tx: Tx,
  projectId: string,
  request: PlacementRequest,
  only?: readonly string[],
): Promise<Candidate[]> {
  const { constraints, clusterId } = request;
  const required = constraints?.requiredNodeIds ?? [];
  const wantsNeighbours =
    constraints?.affinityLabels !== undefined || constraints?.antiAffinityLabels !== undefined;
  const nodes = await tx.node.findMany({
    where: {
      // Those that are asked for by name are judged, too: else nobody would be told what is wrong with them.
      ...(clusterId === null ? {} : { OR: [{ clusterId }, { id: { in: required } }] }),
      ...(only ? { id: { in: [...only] } } : {}),
    },
    select: {
      id: true,
      hostname: true,
      clusterId: true,
      phase: true,
      intent: true,
      allocatable: true,
      allocated: true,
      virtualMachines: {
        where: wantsNeighbours ? { projectId, capacityClaimed: true } : { id: { in: [] } },
        select: { labels: true },
      },
    },
  });
  return nodes.map(({ virtualMachines, allocatable, allocated, ...node }) => ({
    ...node,
    allocatable: capacityOf(allocatable),
    allocated: capacityOf(allocated),
    neighbours: virtualMachines.map((vm) => vm.labels as Record<string, string>),
  }));
}
