/** The plan for emptying a node, made from the rows as they are: for its field, for the query, and for the controller that does it. */
import type { Viewer } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import type { Db, Tx } from '../../data/client.js';
import type { Prisma } from '../../gen/client/client.js';
import { capacityOf } from '../node/rules.js';
import { calledPool } from '../storage/pool-names.js';
import { UNFINISHED } from '../task/rules.js';
import { type Leaver, planEvacuation, type Shelter, type Step } from './evacuation-rules.js';
import { placementSettings } from './place-vm.js';
import type { VmSpec } from './spec.js';

type Row = Prisma.VirtualMachineGetPayload<{ include: ReturnType<typeof withWork> }>;

const unfinished = { in: [...UNFINISHED] };

/** What is needed beside the machine: who is at work on it, how its last migration away ended, what its volumes need. */
function withWork(nodeId: string, since: Date) {
  return {
    tasks: {
      where: {
        OR: [
          { status: unfinished },
          {
            operation: 'MIGRATE',
            nodeId,
            status: { in: ['FAILED', 'TIMED_OUT', 'CANCELLED'] },
            finishedAt: { gt: since },
          },
        ],
      },
      orderBy: { createdAt: 'desc' },
    },
    volumes: {
      select: { pool: { select: { name: true, projectId: true, assignedNodeIds: true } } },
    },
  } satisfies Prisma.VirtualMachineInclude;
}

/** A step for each machine on the node or on its way there; none when there is no such node. `viewer`: to whom the reasons are told. */
export async function readEvacuation(
  db: Db | Tx,
  nodeId: string,
  { config, clock, log, secrets }: Pick<Services, 'config' | 'clock' | 'log' | 'secrets'>,
  viewer: Viewer,
): Promise<Step[]> {
  const source = await db.node.findUnique({ where: { id: nodeId } });
  if (!source) return [];
  const pause = config.maintenance.retryAfterMs;
  const rows = await db.virtualMachine.findMany({
    where: {
      OR: [{ nodeId }, { tasks: { some: { targetNodeId: nodeId, status: unfinished } } }],
    },
    include: withWork(nodeId, new Date(clock.now().getTime() - pause)),
  });
  if (rows.length === 0) return [];
  const leavers = rows.map((row) => leaverOf(row, pause, viewer));
  const shelters = await readShelters(db, nodeId, leavers);
  const reports = source.phase === 'READY';
  const settings = placementSettings({ config, log, secrets });
  return planEvacuation({ id: nodeId, reports }, leavers, shelters, settings);
}

function leaverOf({ tasks, volumes, ...vm }: Row, pauseMs: number, viewer: Viewer): Leaver {
  const { placement } = vm.spec as unknown as VmSpec;
  const task = tasks.find(({ finishedAt }) => finishedAt === null);
  const failed = tasks.find(({ finishedAt }) => finishedAt !== null);
  return {
    id: vm.id,
    name: vm.name,
    projectId: vm.projectId,
    labels: vm.labels as Record<string, string>,
    powerState: vm.powerState,
    capacityClaimed: vm.capacityClaimed,
    request: {
      resources: capacityOf(vm.resources),
      constraints: placement,
      clusterId: vm.clusterId,
      preferredNodeId: null,
      pools: volumes.map(({ pool }) => calledPool(viewer, pool)),
    },
    task: task ? { operation: task.operation, targetNodeId: task.targetNodeId } : null,
    failure: failed?.finishedAt
      ? {
          message: failed.errorMessage ?? failed.status,
          retryAt: new Date(failed.finishedAt.getTime() + pauseMs),
        }
      : null,
  };
}

/** All other nodes that come into question; who lives there is read only when somebody wants to know. */
async function readShelters(
  db: Db | Tx,
  nodeId: string,
  leavers: readonly Leaver[],
): Promise<Shelter[]> {
  const clusters = leavers.map(({ request }) => request.clusterId);
  const anywhere = clusters.includes(null);
  const curious = leavers.some(
    ({ request: { constraints } }) =>
      constraints?.affinityLabels !== undefined || constraints?.antiAffinityLabels !== undefined,
  );
  const nodes = await db.node.findMany({
    where: {
      id: { not: nodeId },
      ...(anywhere ? {} : { clusterId: { in: clusters.filter((id) => id !== null) } }),
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
        where: curious
          ? { capacityClaimed: true, projectId: { in: leavers.map((vm) => vm.projectId) } }
          : { id: { in: [] } },
        select: { projectId: true, labels: true },
      },
    },
  });
  return nodes.map(({ virtualMachines, allocatable, allocated, ...node }) => ({
    ...node,
    allocatable: capacityOf(allocatable),
    allocated: capacityOf(allocated),
    residents: virtualMachines.map(({ projectId, labels }) => ({
      projectId,
      labels: labels as Record<string, string>,
    })),
  }));
}
