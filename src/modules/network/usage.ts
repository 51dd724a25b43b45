/**
 * Who is on a network. Only administrators change a shared one; whoever changes one of a project is told the names
 * of that project's machines alone, should data of earlier releases have others on it.
 */
import { grants, type Viewer } from '../../core/authz.js';
import { IN_THE_BIN } from '../../core/usage.js';
import type { Tx } from '../../data/client.js';
import type { Usage } from '../../errors.js';
import { type AddressPlan, addressOf, hostRange, poolRange } from './ranges.js';

interface Row {
  readonly name: string;
  readonly shown: boolean;
  readonly count: number;
}

const usageOf = (viewer: Viewer, [first, ...others]: readonly Row[]): Usage | null =>
  first
    ? {
        type: 'VirtualMachine',
        count: first.count,
        names: [first, ...others]
          .filter(({ shown }) => shown && grants(viewer, 'vm:read'))
          .map(({ name }) => name),
      }
    : null;

type Asking = { readonly tx: Tx; readonly viewer: Viewer };
type Network = { readonly id: string; readonly projectId: string | null };

/** The machines with an interface on the network; null when there are none. */
export async function machinesOn(
  { tx, viewer }: Asking,
  { id, projectId }: Network,
): Promise<Usage | null> {
  const rows = await tx.$queryRaw<Row[]>`
    SELECT vm.name || CASE WHEN vm.deleted_at IS NULL THEN '' ELSE ${IN_THE_BIN} END AS name, count(*) OVER ()::int AS count,
           (${projectId}::uuid IS NULL OR vm.project_id = ${projectId}::uuid) AS shown
    FROM virtual_machines vm
    WHERE EXISTS (SELECT FROM network_interfaces nic WHERE nic.vm_id = vm.id AND nic.network_id = ${id}::uuid)
    ORDER BY shown DESC, vm.name, vm.id LIMIT 5`;
  return usageOf(viewer, rows);
}

/**
 * The machines that hold an address which the plan has no place for; null when there are none. One that was asked for
 * may lie outside of the DHCP range, one that was chosen from it may not. Without a plan there is place for none.
 */
export async function machinesOutside(
  { tx, viewer }: Asking,
  { id, projectId }: Network,
  plan: AddressPlan | null,
): Promise<Usage | null> {
  const text = (range: ReturnType<typeof hostRange> | null) => ({
    first: range && addressOf(range.first, range.bits),
    last: range && addressOf(range.last, range.bits),
  });
  const hosts = text(plan && hostRange(plan.cidr));
  const pool = text(plan && poolRange(plan));
  const rows = await tx.$queryRaw<Row[]>`
    SELECT vm.name || CASE WHEN vm.deleted_at IS NULL THEN '' ELSE ${IN_THE_BIN} END AS name, count(*) OVER ()::int AS count,
           (${projectId}::uuid IS NULL OR vm.project_id = ${projectId}::uuid) AS shown
    FROM virtual_machines vm
    WHERE EXISTS (
      SELECT FROM network_interfaces nic JOIN ip_addresses held ON held.interface_id = nic.id
      WHERE nic.vm_id = vm.id AND held.network_id = ${id}::uuid
        AND ((held.address BETWEEN ${hosts.first}::inet AND ${hosts.last}::inet) IS NOT TRUE
          OR held.address IS NOT DISTINCT FROM ${plan?.gateway ?? null}::inet
          OR (NOT held.requested
            AND (held.address BETWEEN ${pool.first}::inet AND ${pool.last}::inet) IS NOT TRUE)))
    ORDER BY shown DESC, vm.name, vm.id LIMIT 5`;
  return usageOf(viewer, rows);
}
