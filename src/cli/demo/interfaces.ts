/** What the demo's virtual machines got for the network interfaces in their specs: exactly what was asked for. */
import type { Prisma } from '../../gen/client/client.js';
import type { VmSpec } from '../../modules/virtual-machine/spec.js';
import { demoId } from './ids.js';
import type { MachineRow } from './virtual-machines.js';

export interface InterfaceRows {
  readonly interfaces: Prisma.NetworkInterfaceCreateManyInput[];
  readonly addresses: Prisma.IpAddressCreateManyInput[];
  readonly groups: Prisma.InterfaceSecurityGroupCreateManyInput[];
}

export function interfaceRows(machines: readonly MachineRow[]): InterfaceRows {
  const wires = machines.flatMap(({ id: virtualMachineId, name: machine, spec, createdAt }) =>
    ((spec as unknown as VmSpec).nics ?? []).map((nic, position) => ({
      id: demoId('NetworkInterface', `${machine}/${nic.name}`),
      virtualMachineId,
      position,
      times: createdAt ? { createdAt } : {},
      ...nic,
    })),
  );
  return {
    interfaces: wires.map(({ times, id, virtualMachineId, position, ...nic }) => ({
      id,
      virtualMachineId,
      name: nic.name,
      networkId: nic.networkId,
      macAddress: nic.macAddress ?? '',
      position,
      ...times,
      ...(times.createdAt ? { updatedAt: times.createdAt } : {}),
    })),
    addresses: wires.flatMap(({ id, networkId, ipAddresses = [], times }) =>
      ipAddresses.map((address) => ({
        networkId,
        address,
        interfaceId: id,
        requested: true,
        ...times,
      })),
    ),
    groups: wires.flatMap(({ id, securityGroupIds = [] }) =>
      securityGroupIds.map((securityGroupId) => ({ interfaceId: id, securityGroupId })),
    ),
  };
}
