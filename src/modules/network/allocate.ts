/**
 * Handing out the addresses of a network. One statement finds the lowest free one and takes it; the primary key
 * of ip_addresses is the judge, so no two transactions ever hold the same. Nothing is listed or counted on the way:
 * what is free begins where a gap follows a taken address, in a /24 as in a /64.
 */
import type { Tx } from '../../data/client.js';
import { ConflictError, SubnetExhaustedError, type SubnetUse } from '../../errors.js';
import { networkOf } from './addresses.js';
import { type AddressPlan, type AddressRange, addressOf, poolRange, sizeOf } from './ranges.js';

/** A network that addresses are taken from, as its row was when it was locked. */
export interface LockedNetwork extends Omit<AddressPlan, 'cidr'> {
  readonly id: string;
  readonly name: string;
  readonly projectId: string | null;
  /** Null: the datacenter does not manage its addresses. */
  readonly cidr: string | null;
}

/** Every attempt that is lost was won by somebody else: this many in a row mean that something is wrong. */
const ATTEMPTS = 32;

/**
 * Reads networks and keeps their address plans from changing until the transaction ends; others may allocate meanwhile.
 * In the order of their ids, so that two machines on the same networks do not wait for each other crosswise.
 */
export async function lockNetworks(
  tx: Tx,
  ids: readonly string[],
): Promise<Map<string, LockedNetwork>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.$queryRaw<LockedNetwork[]>`
    SELECT id::text, name, project_id::text AS "projectId", cidr::text AS cidr, host(gateway) AS gateway,
           host(dhcp_range_start) AS "dhcpRangeStart", host(dhcp_range_end) AS "dhcpRangeEnd"
    FROM virtual_networks WHERE id = ANY(${[...new Set(ids)]}::uuid[]) ORDER BY id FOR SHARE`;
  return new Map(rows.map((row) => [row.id, { ...row, cidr: networkOf(row.cidr) }]));
}

/** Takes one address for an interface. False: somebody holds it. Must be a usable one of the network. */
export async function takeAddress(
  tx: Tx,
  networkId: string,
  interfaceId: string,
  address: string,
): Promise<boolean> {
  const taken = await tx.$executeRaw`
    INSERT INTO ip_addresses (network_id, address, interface_id, requested)
    VALUES (${networkId}::uuid, ${address}::inet, ${interfaceId}::uuid, true)
    ON CONFLICT (network_id, address) DO NOTHING`;
  return taken === 1;
}

/**
 * Takes the lowest free address of the network's pool for an interface and returns it. `path`: the input to blame.
 * @throws SubnetExhaustedError when none is left
 */
export async function takeLowestAddress(
  tx: Tx,
  network: LockedNetwork & { readonly cidr: string },
  interfaceId: string,
  path: readonly string[],
): Promise<string> {
  const pool = poolRange(network);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const { candidate, taken } = await tryLowest(tx, network, pool, interfaceId);
    if (taken) return taken;
    if (!candidate) throw new SubnetExhaustedError(await useOf(tx, network, pool), path);
    // Somebody was quicker. Losers line up, so that they do not all run for the same next address again.
    if (attempt === 1) {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('quantix:addresses'), hashtext(${network.id}))`;
    }
  }
  throw new ConflictError('VirtualNetwork', null);
}

/**
 * `candidate`: the lowest address that looked free; null when none did. `taken`: it, if it could be had.
 * An address that another transaction has taken and not committed is waited for, and is free again if that one fails.
 */
async function tryLowest(
  tx: Tx,
  { id, gateway }: LockedNetwork,
  pool: AddressRange,
  interfaceId: string,
): Promise<{ candidate: string | null; taken: string | null }> {
  const first = addressOf(pool.first, pool.bits);
  const last = addressOf(pool.last, pool.bits);
  const [row] = await tx.$queryRaw<{ candidate: string | null; taken: string | null }[]>`
    WITH plan AS (
      SELECT ${first}::inet AS first, ${last}::inet AS last, ${gateway}::inet AS gateway
    ), lowest AS (
      SELECT min(start.address) AS address FROM plan CROSS JOIN LATERAL (
        SELECT plan.first AS address
        UNION ALL
        SELECT plan.gateway + 1 WHERE plan.gateway >= plan.first AND plan.gateway < plan.last
        UNION ALL
        (SELECT held.address + 1 FROM ip_addresses held
         WHERE held.network_id = ${id}::uuid AND held.address >= plan.first AND held.address < plan.last
           AND held.address + 1 IS DISTINCT FROM plan.gateway
           AND NOT EXISTS (SELECT FROM ip_addresses next
                           WHERE next.network_id = held.network_id AND next.address = held.address + 1)
         ORDER BY held.address LIMIT 1)
      ) AS start
      WHERE start.address IS DISTINCT FROM plan.gateway
        AND NOT EXISTS (SELECT FROM ip_addresses held WHERE held.network_id = ${id}::uuid AND held.address = start.address)
    ), taken AS (
      INSERT INTO ip_addresses (network_id, address, interface_id, requested)
      SELECT ${id}::uuid, address, ${interfaceId}::uuid, false FROM lowest WHERE address IS NOT NULL
      ON CONFLICT (network_id, address) DO NOTHING RETURNING address
    )
    SELECT host(lowest.address) AS candidate, host(taken.address) AS taken FROM lowest LEFT JOIN taken ON true`;
  return row ?? { candidate: null, taken: null };
}

async function useOf(
  tx: Tx,
  { id, name, cidr, gateway }: LockedNetwork & { readonly cidr: string },
  pool: AddressRange,
): Promise<SubnetUse> {
  const first = addressOf(pool.first, pool.bits);
  const last = addressOf(pool.last, pool.bits);
  const [row] = await tx.$queryRaw<{ used: bigint }[]>`
    SELECT count(*) AS used FROM ip_addresses
    WHERE network_id = ${id}::uuid AND address BETWEEN ${first}::inet AND ${last}::inet`;
  const totalAddresses = sizeOf(pool, gateway);
  return { network: name, cidr, first, last, totalAddresses, usedAddresses: row?.used ?? 0n };
}
