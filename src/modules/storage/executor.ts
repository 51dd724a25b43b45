/** Which hypervisor node does a job about storage: its agent must be there, and must reach every pool that the job touches. */
import type { RunContext } from '../../core/command.js';
import type { Tx } from '../../data/client.js';
import { type NodeVerdict, NoSuitableNodeError } from '../../errors.js';
import type { NodeIntent, NodePhase } from '../../gen/client/enums.js';
import { poolsCalled } from './pool-names.js';

type Asking = Pick<RunContext, 'tx' | 'viewer'>;

interface Candidate {
  readonly id: string;
  readonly hostname: string;
  readonly phase: NodePhase;
  readonly intent: NodeIntent;
  /** The pools that are assigned to other nodes. */
  readonly unreached: readonly string[];
}

/**
 * The READY node, in service or cordoned, that every pool is assigned to (a pool without assignments is on every node) and that
 * has the fewest unfinished tasks; host names break ties. One statement, and nothing is locked: a node that goes down meanwhile
 * comes back to its job, or the task times out.
 *
 * @param preferredNodeId is taken whenever it can do it, however busy it is
 * @throws NoSuitableNodeError with each node's verdict
 */
export async function pickExecutor(
  { tx, viewer }: Asking,
  poolIds: readonly string[],
  preferredNodeId: string | null = null,
): Promise<string> {
  const candidates = await readCandidates(tx, poolIds, preferredNodeId);
  const chosen = candidates.find((candidate) => obstaclesOf(candidate).length === 0);
  if (!chosen) throw new NoSuitableNodeError(await verdictsOn(candidates, { tx, viewer }));
  return chosen.id;
}

/** Every node, the best first, if it can. */
function readCandidates(
  tx: Tx,
  poolIds: readonly string[],
  preferredNodeId: string | null,
): Promise<Candidate[]> {
  return tx.$queryRaw<Candidate[]>`
    SELECT n.id, n.hostname, n.phase::text AS phase, n.intent::text AS intent,
      ARRAY(
        SELECT p.id::text FROM storage_pools p
        WHERE p.id = ANY(${[...poolIds]}::uuid[])
          AND cardinality(p.assigned_node_ids) > 0 AND NOT n.id = ANY(p.assigned_node_ids)
        ORDER BY p.name) AS unreached
    FROM nodes n
    LEFT JOIN (
      SELECT node_id, count(*) AS unfinished FROM tasks
      WHERE status IN ('PENDING', 'RUNNING') AND node_id IS NOT NULL GROUP BY node_id) t ON t.node_id = n.id
    ORDER BY n.id IS NOT DISTINCT FROM ${preferredNodeId}::uuid DESC, coalesce(t.unfinished, 0), n.hostname`;
}

/** `called`: what to say for a pool. */
function obstaclesOf(
  { phase, intent, unreached }: Candidate,
  called: (poolId: string) => string = (poolId) => poolId,
): string[] {
  return [
    ...(phase === 'READY' ? [] : [`is ${phase}`]),
    ...(intent === 'IN_SERVICE' || intent === 'CORDONED' ? [] : [`is ${intent}`]),
    ...unreached.map((poolId) => `does not have ${called(poolId)}`),
  ];
}

/** A job may touch a pool that the caller does not see: that of an image which another project has published. */
async function verdictsOn(
  candidates: readonly Candidate[],
  { tx, viewer }: Asking,
): Promise<NodeVerdict[]> {
  const ids = candidates.flatMap(({ unreached }) => unreached);
  const called = await poolsCalled({ tx, viewer }, { id: { in: ids } });
  return candidates.map((candidate) => {
    const { id, hostname } = candidate;
    const reasons = obstaclesOf(
      candidate,
      (poolId) => called.get(poolId)?.name ?? 'a storage pool',
    );
    return { nodeId: id, hostname, fits: reasons.length === 0, reasons, score: null };
  });
}

/** The same question about one node that alone can do it: that on which a machine has the volume open. */
export async function requireExecutor(
  asking: Asking,
  poolIds: readonly string[],
  nodeId: string,
): Promise<string> {
  const candidates = await readCandidates(asking.tx, poolIds, nodeId);
  const own = candidates.filter(({ id }) => id === nodeId);
  const [verdict] = await verdictsOn(own, asking);
  if (!verdict?.fits) throw new NoSuitableNodeError(verdict ? [verdict] : []);
  return nodeId;
}
