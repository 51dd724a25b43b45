/** The network interfaces of a virtual machine: their MAC addresses and IP addresses are assigned here, in the transaction that wires it. */
import { randomBytes } from 'node:crypto';
import type { Viewer } from '../../core/authz.js';
import type { Change, RunContext } from '../../core/command.js';
import { IN_THE_BIN } from '../../core/usage.js';
import type { Tx } from '../../data/client.js';
import {
  AddressInUseError,
  AlreadyExistsError,
  ConflictError,
  NotFoundError,
  ValidationError,
} from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import {
  type LockedNetwork,
  lockNetworks,
  takeAddress,
  takeLowestAddress,
} from '../network/allocate.js';
import { canonical, macAddressOf, unusable } from '../network/ranges.js';
import { addressChange } from './changes.js';
import { VirtualMachineEntity } from './queries.js';
import type { Nic } from './spec.js';

/** An interface that is asked for. `path`: the input that it came from, to blame. */
export interface WantedNic {
  readonly nic: Nic;
  readonly position: number;
  readonly path: readonly string[];
}

/** An interface with all that it holds, as the audit shows it. */
export interface Wire {
  readonly id: string;
  readonly virtualMachineId: string;
  readonly name: string;
  readonly networkId: string;
  readonly macAddress: string;
  readonly position: number;
  readonly ipAddresses: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly network: { readonly id: string; readonly projectId: string | null };
}

type Machine = Pick<VirtualMachine, 'id' | 'projectId'>;
interface Plan extends WantedNic {
  readonly network: LockedNetwork;
  /** In one spelling, in the order of the caller. */
  readonly requested: readonly string[];
}

/** Guesses of a MAC address: each finds a free one unless millions are taken. */
const MAC_ATTEMPTS = 8;

/**
 * Creates interfaces and gives them their addresses: those that were asked for, before any that is chosen.
 * @throws ValidationError, AddressInUseError, SubnetExhaustedError, AlreadyExistsError (a MAC address), each with its path
 */
export async function attachInterfaces(
  context: RunContext,
  vm: Machine,
  wanted: readonly WantedNic[],
): Promise<Wire[]> {
  if (wanted.length === 0) return [];
  const { tx, viewer } = context;
  const plans = await planFor(tx, wanted);
  const wires = new Map<Plan, { id: string; macAddress: string; ipAddresses: string[] }>();
  for (const plan of plans) {
    wires.set(plan, { ...(await insertInterface(context, vm, plan)), ipAddresses: [] });
  }
  for (const [{ network, requested, path }, wire] of wires) {
    for (const [i, address] of requested.entries()) {
      if (!(await takeAddress(tx, network.id, wire.id, address)))
        throw await inUse(tx, viewer, network.id, address, [...path, 'ipAddresses', String(i)]);
      wire.ipAddresses.push(address);
    }
  }
  for (const [{ network, requested, path }, wire] of wires) {
    const { cidr } = network;
    if (cidr === null || requested.length > 0) continue;
    wire.ipAddresses.push(await takeLowestAddress(tx, { ...network, cidr }, wire.id, path));
  }
  const made = [...wires].map(([{ nic, network, position }, wire]) => ({
    id: wire.id,
    virtualMachineId: vm.id,
    name: nic.name,
    networkId: network.id,
    macAddress: wire.macAddress,
    position,
    ipAddresses: wire.ipAddresses,
    securityGroupIds: [...new Set(nic.securityGroupIds)],
    network,
  }));
  await tx.interfaceSecurityGroup.createMany({
    data: made.flatMap(({ id, securityGroupIds }) =>
      securityGroupIds.map((securityGroupId) => ({ interfaceId: id, securityGroupId })),
    ),
  });
  return made.sort((a, b) => a.position - b.position);
}

/** Locks the networks and checks what is asked of them; ordered by network, so that waiting for one another ends. */
async function planFor(tx: Tx, wanted: readonly WantedNic[]): Promise<Plan[]> {
  const networks = await lockNetworks(
    tx,
    wanted.map(({ nic }) => nic.networkId),
  );
  const seen = new Set<string>();
  const plans = wanted.map((want): Plan => {
    const network = networks.get(want.nic.networkId);
    if (!network) throw new NotFoundError('VirtualNetwork', [...want.path, 'networkId']);
    const { cidr } = network;
    // Without a cidr the datacenter does not manage addresses there: what was asked for stays in the spec, unchecked.
    const asked = cidr === null ? [] : (want.nic.ipAddresses ?? []);
    const requested = asked.map((address, i) => {
      const path = [...want.path, 'ipAddresses', String(i)];
      const fault = unusable({ ...network, cidr: cidr ?? '' }, address);
      if (fault) throw ValidationError.of(path, fault);
      const key = `${network.id} ${canonical(address)}`;
      if (seen.has(key)) throw ValidationError.of(path, `${address} is asked for twice`);
      seen.add(key);
      return canonical(address);
    });
    return { ...want, network, requested };
  });
  return plans.sort((a, b) => (a.network.id < b.network.id ? -1 : 1));
}

async function insertInterface(
  { tx, newId, now, services }: RunContext,
  vm: Machine,
  { nic, network, position, path }: Plan,
): Promise<{ id: string; macAddress: string }> {
  const id = newId();
  const { macPrefix } = services.config.network;
  for (let attempt = 0; attempt < MAC_ATTEMPTS; attempt += 1) {
    const macAddress = nic.macAddress ?? macAddressOf(macPrefix, randomBytes(3));
    const inserted = await tx.$executeRaw`
      INSERT INTO network_interfaces (id, vm_id, name, network_id, mac_address, position, created_at, updated_at)
      VALUES (${id}::uuid, ${vm.id}::uuid, ${nic.name}, ${network.id}::uuid, ${macAddress}, ${position}::int,
              ${now}::timestamptz, ${now}::timestamptz)
      ON CONFLICT (mac_address) DO NOTHING`;
    if (inserted === 1) return { id, macAddress };
    if (nic.macAddress) {
      const at = [...path, 'macAddress'];
      throw new AlreadyExistsError('NetworkInterface', 'macAddress', macAddress, at);
    }
  }
  throw new ConflictError('NetworkInterface', null);
}

/** Who holds an address: by name for those who may see the machine. */
async function inUse(
  tx: Tx,
  viewer: Viewer,
  networkId: string,
  address: string,
  path: readonly string[],
): Promise<AddressInUseError | ConflictError> {
  const [holder] = await tx.$queryRaw<{ name: string; projectId: string }[]>`
    SELECT vm.name || CASE WHEN vm.deleted_at IS NULL THEN '' ELSE ${IN_THE_BIN} END AS name, vm.project_id::text AS "projectId" FROM ip_addresses held
    JOIN network_interfaces nic ON nic.id = held.interface_id
    JOIN virtual_machines vm ON vm.id = nic.vm_id
    WHERE held.network_id = ${networkId}::uuid AND held.address = ${address}::inet`;
  if (!holder) return new ConflictError('VirtualNetwork', null); // let go of at this moment
  const visible = VirtualMachineEntity.bin.anywhere.sees(viewer, holder); // in the bin too: there it can be freed
  return new AddressInUseError(address, visible ? holder.name : null, path);
}

/** The interfaces of a machine with what they hold, in their order. */
export async function readInterfaces(tx: Tx, virtualMachineId: string): Promise<Wire[]> {
  const rows = await tx.networkInterface.findMany({
    where: { virtualMachineId },
    orderBy: [{ position: 'asc' }, { id: 'asc' }],
    select: {
      id: true,
      virtualMachineId: true,
      name: true,
      networkId: true,
      macAddress: true,
      position: true,
      addresses: { select: { address: true }, orderBy: { address: 'asc' } },
      securityGroups: { select: { securityGroupId: true } },
      network: { select: { id: true, projectId: true } },
    },
  });
  return rows.map(({ addresses, securityGroups, ...row }) => ({
    ...row,
    ipAddresses: addresses.map(({ address }) => address),
    securityGroupIds: securityGroups.map(({ securityGroupId }) => securityGroupId),
  }));
}

export const additionChanges = (vm: Machine, wires: readonly Wire[]): Change[] => [
  ...wires.map((wire) => wireChange(vm, null, wire)),
  ...usesOf(wires),
];

export const removalChanges = (vm: Machine, wires: readonly Wire[]): Change[] => [
  ...wires.map((wire) => wireChange(vm, wire, null)),
  ...usesOf(wires),
];

function usesOf(wires: readonly Wire[]): Change[] {
  const networks = new Map(wires.map(({ network }) => [network.id, network]));
  return [...networks.values()].map(addressChange);
}

/** An interface that came, went or changed; `network` is only there to announce it. */
export function wireChange(vm: Machine, before: Wire | null, after: Wire | null): Change {
  const row = (wire: Wire | null) => wire && { ...wire, network: undefined };
  const id = (after ?? before)?.id ?? '';
  return {
    type: 'NetworkInterface',
    id,
    before: row(before),
    after: row(after),
    projectId: vm.projectId,
  };
}
