/** Which hypervisor node does a job about storage: its agent must be there, and must reach every pool that the job touches. */
import type { Tx } from '../../data/client.js';
import { type NodeVerdict, NoSuitableNodeError } from '../../errors.js';
import type { NodeIntent, NodePhase } from '../../gen/client/enums.js';

interface Candidate {
  readonly id: string;
  readonly hostname: string;
  readonly phase: NodePhase;
  readonly intent: NodeIntent;
  /** Names of the pools that are assigned to other nodes. */
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
  tx: Tx,
  poolIds: readonly string[],
  preferredNodeId: string | null = null,
): Promise<string> {
  const verdicts = (await readCandidates(tx, poolIds, preferredNodeId)).map(verdictOn);
  const chosen = verdicts.find(({ fits }) => fits);
  if (!chosen) throw new NoSuitableNodeError(verdicts);
  return chosen.nodeId;
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
        SELECT p.name::text FROM storage_pools p
        WHERE p.id = ANY(${[...poolIds]}::uuid[])
          AND cardinality(p.assigned_node_ids) > 0 AND NOT n.id = ANY(p.assigned_node_ids)
        ORDER BY p.name) AS unreached
    FROM nodes n
    LEFT JOIN (
      SELECT node_id, count(*) AS unfinished FROM tasks
      WHERE status IN ('PENDING', 'RUNNING') AND node_id IS NOT NULL GROUP BY node_id) t ON t.node_id = n.id
    ORDER BY n.id IS NOT DISTINCT FROM ${preferredNodeId}::uuid DESC, coalesce(t.unfinished, 0), n.hostname`;
}

function verdictOn({ id, hostname, phase, intent, unreached }: Candidate): NodeVerdict {
  const reasons = [
    ...(phase === 'READY' ? [] : [`is ${phase}`]),
    ...(intent === 'IN_SERVICE' || intent === 'CORDONED' ? [] : [`is ${intent}`]),
    ...unreached.map((name) => `does not have the storage pool ${name}`),
  ];
  return { nodeId: id, hostname, fits: reasons.length === 0, reasons, score: null };
}

/** The same question about one node that alone can do it: that on which a machine has the volume open. */
export async function requireExecutor(
  tx: Tx,
  poolIds: readonly string[],
  nodeId: string,
): Promise<string> {
  const verdicts = (await readCandidates(tx, poolIds, nodeId)).map(verdictOn);
  const verdict = verdicts.find((candidate) => candidate.nodeId === nodeId);
  if (!verdict?.fits) throw new NoSuitableNodeError(verdict ? [verdict] : []);
  return nodeId;
}
