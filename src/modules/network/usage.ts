/**
 * Who is on a network. Machines on a network of a project are all of that project, and only administrators change
 * a shared one: whoever may do what asks here sees every machine that is named.
 */
import type { Tx } from '../../data/client.js';
import type { Usage } from '../../errors.js';
import { type AddressPlan, addressOf, hostRange, poolRange } from './ranges.js';

interface Row {
  readonly name: string;
  readonly count: number;
}

const usageOf = ([first, ...others]: readonly Row[]): Usage | null =>
  first
    ? {
        type: 'VirtualMachine',
        count: first.count,
        names: [first, ...others].map(({ name }) => name),
      }
    : null;

/** The machines with an interface on the network; null when there are none. */
export async function machinesOn(tx: Tx, networkId: string): Promise<Usage | null> {
  const rows = await tx.$queryRaw<Row[]>`
    SELECT vm.name, count(*) OVER ()::int AS count FROM virtual_machines vm
    WHERE EXISTS (SELECT FROM network_interfaces nic WHERE nic.vm_id = vm.id AND nic.network_id = ${networkId}::uuid)
    ORDER BY vm.name, vm.id LIMIT 5`;
  return usageOf(rows);
}

/**
 * The machines that hold an address which the plan has no place for; null when there are none. One that was asked for
 * may lie outside of the DHCP range, one that was chosen from it may not. Without a plan there is place for none.
 */
export async function machinesOutside(
  tx: Tx,
  networkId: string,
  plan: AddressPlan | null,
): Promise<Usage | null> {
  const text = (range: ReturnType<typeof hostRange> | null) => ({
    first: range && addressOf(range.first, range.bits),
    last: range && addressOf(range.last, range.bits),
  });
  const hosts = text(plan && hostRange(plan.cidr));
  const pool = text(plan && poolRange(plan));
  const rows = await tx.$queryRaw<Row[]>`
    SELECT vm.name, count(*) OVER ()::int AS count FROM virtual_machines vm
    WHERE EXISTS (
      SELECT FROM network_interfaces nic JOIN ip_addresses held ON held.interface_id = nic.id
      WHERE nic.vm_id = vm.id AND held.network_id = ${networkId}::uuid
        AND ((held.address BETWEEN ${hosts.first}::inet AND ${hosts.last}::inet) IS NOT TRUE
          OR held.address IS NOT DISTINCT FROM ${plan?.gateway ?? null}::inet
          OR (NOT held.requested
            AND (held.address BETWEEN ${pool.first}::inet AND ${pool.last}::inet) IS NOT TRUE)))
    ORDER BY vm.name, vm.id LIMIT 5`;
  return usageOf(rows);
}
