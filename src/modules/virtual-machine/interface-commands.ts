/** Wiring a virtual machine that exists: its spec says what was asked for, its interface rows what it got. One edit of the machine each. */
import { z } from 'zod';
import { type Change, defineCommand, type RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, version } from '../../core/input.js';
import type { Tx } from '../../data/client.js';
import {
  AddressInUseError,
  AlreadyExistsError,
  ConflictError,
  InvalidStateError,
  NotFoundError,
  SubnetExhaustedError,
  ValidationError,
} from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { readIdle } from './begin.js';
import {
  additionChanges,
  attachInterfaces,
  readInterfaces,
  removalChanges,
  type Wire,
  wireChange,
} from './interfaces.js';
import { VirtualMachineEntity } from './queries.js';
import { checkGroups, checkNics } from './references.js';
import { requireWirable } from './rules.js';
import { MAX_NICS, type Nic, nicInput, partName } from './spec.js';

const resourceType = 'VirtualMachine';
const shared = {
  resourceType,
  permission: 'vm:update',
  subject: (input: { virtualMachineId: string }) => ({
    entity: VirtualMachineEntity,
    id: input.virtualMachineId,
    path: ['virtualMachineId'],
  }),
} as const;
const machine = { virtualMachineId: idOf('VirtualMachine'), expectedVersion: version };

export const attachNetworkInterface = defineCommand({
  ...shared,
  name: 'virtualMachine.attachInterface',
  input: z.object({ ...machine, nic: nicInput }),
  errors: [InvalidStateError, AlreadyExistsError, SubnetExhaustedError, AddressInUseError],
  async run(context, { nic, ...input }) {
    const { before, nics, wires } = await readForWiring(context, input);
    if ([...nics, ...wires].some(({ name }) => name === nic.name))
      throw new AlreadyExistsError('NetworkInterface', 'name', nic.name, ['nic', 'name']);
    if (Math.max(nics.length, wires.length) >= MAX_NICS)
      throw ValidationError.of(['nic'], `a machine has ${MAX_NICS} network interfaces at most`);
    await checkNics(context, before.projectId, [{ nic, path: ['nic'] }]);
    const after = await writeNics(context.tx, before, [...nics, nic]);
    const position = 1 + Math.max(-1, ...wires.map((wire) => wire.position));
    const added = await attachInterfaces(context, after, [{ nic, position, path: ['nic'] }]);
    await changeGroups(context.tx, after.id, [], nic.securityGroupIds ?? []);
    return {
      result: { virtualMachineId: after.id, networkInterfaceId: added[0]?.id ?? '' },
      changed: [machineChange(before, after), ...additionChanges(after, added)],
    };
  },
});

export const detachNetworkInterface = defineCommand({
  ...shared,
  name: 'virtualMachine.detachInterface',
  input: z.object({ ...machine, name: partName }),
  errors: [InvalidStateError],
  async run(context, { name, ...input }) {
    const { before, nics, wires } = await readForWiring(context, input);
    const wire = interfaceNamed(wires, name);
    const kept = nics.filter((nic) => nic.name !== name);
    const after = await writeNics(context.tx, before, kept);
    await context.tx.networkInterface.delete({ where: { id: wire.id } }); // its addresses go with it
    await changeGroups(context.tx, after.id, wire.securityGroupIds, []);
    return {
      result: { virtualMachineId: after.id, detachedNetworkInterfaceId: wire.id },
      changed: [machineChange(before, after), ...removalChanges(after, [wire])],
    };
  },
});

export const setInterfaceSecurityGroups = defineCommand({
  ...shared,
  name: 'virtualMachine.setInterfaceGroups',
  input: z.object({
    ...machine,
    name: partName,
    securityGroupIds: z.array(idOf('SecurityGroup')).max(16, 'at most 16'),
  }),
  errors: [InvalidStateError],
  async run(context, { name, securityGroupIds, ...input }) {
    const { tx } = context;
    const { before, nics, wires } = await readForWiring(context, input);
    const wire = interfaceNamed(wires, name);
    const wanted = [...new Set(securityGroupIds)];
    await checkGroups(context, before.projectId, { securityGroupIds: wanted }, []);
    const changed = nics.map((nic) =>
      nic.name === name ? { ...nic, securityGroupIds: wanted } : nic,
    );
    const after = await writeNics(tx, before, changed);
    await tx.interfaceSecurityGroup.deleteMany({ where: { interfaceId: wire.id } });
    await tx.interfaceSecurityGroup.createMany({
      data: wanted.map((securityGroupId) => ({ interfaceId: wire.id, securityGroupId })),
    });
    await changeGroups(tx, after.id, wire.securityGroupIds, wanted);
    return {
      result: { virtualMachineId: after.id, networkInterfaceId: wire.id },
      changed: [
        machineChange(before, after),
        wireChange(after, wire, { ...wire, securityGroupIds: wanted }),
      ],
    };
  },
});

interface Wiring {
  readonly before: VirtualMachine;
  readonly nics: readonly Nic[];
  readonly wires: readonly Wire[];
}

/** The machine, if it may be wired now. */
async function readForWiring(
  { tx, viewer }: RunContext,
  {
    virtualMachineId: id,
    expectedVersion,
  }: { virtualMachineId: string; expectedVersion?: number | null | undefined },
): Promise<Wiring> {
  const path = ['virtualMachineId'];
  await requireVisible(tx, VirtualMachineEntity, viewer, id, { id: true }, path); // it may have moved out of sight since the gate looked
  const before = await readIdle(tx, id);
  if (expectedVersion != null && before.version !== expectedVersion)
    throw new ConflictError(resourceType, before.version);
  requireWirable(before.powerState);
  const { nics } = before.spec as { nics?: unknown };
  return {
    before,
    nics: Array.isArray(nics) ? (nics as Nic[]) : [],
    wires: await readInterfaces(tx, id),
  };
}

function interfaceNamed(wires: readonly Wire[], name: string): Wire {
  const wire = wires.find((one) => one.name === name);
  if (!wire) throw new NotFoundError('NetworkInterface', ['name']);
  return wire;
}

/**
 * Before the interfaces themselves: whoever else edits or starts the machine waits here, and then finds it changed.
 * The generation stays: what an agent is assigned says nothing of interfaces, so there is nothing for it to finish.
 */
async function writeNics(
  tx: Tx,
  before: VirtualMachine,
  nics: readonly Nic[],
): Promise<VirtualMachine> {
  const { id, version: read, generation, powerState } = before;
  const [after] = await tx.virtualMachine.updateManyAndReturn({
    where: { id, version: read, generation, powerState },
    data: {
      spec: { ...(before.spec as object), nics: nics as object[] },
      version: { increment: 1 },
    },
  });
  if (!after) throw new ConflictError(resourceType, null);
  return after;
}

/** Keeps the machine's groups the union of its interfaces'. Others stay: earlier releases had machines with groups and no interfaces. */
async function changeGroups(
  tx: Tx,
  virtualMachineId: string,
  removed: readonly string[],
  added: readonly string[],
): Promise<void> {
  const kept = await tx.interfaceSecurityGroup.findMany({
    where: { interface: { virtualMachineId } },
    select: { securityGroupId: true },
  });
  const used = new Set(kept.map(({ securityGroupId }) => securityGroupId));
  await tx.vmSecurityGroup.deleteMany({
    where: { virtualMachineId, securityGroupId: { in: removed.filter((id) => !used.has(id)) } },
  });
  await tx.vmSecurityGroup.createMany({
    data: [...new Set(added)].map((securityGroupId) => ({ virtualMachineId, securityGroupId })),
    skipDuplicates: true,
  });
}

const machineChange = (before: VirtualMachine, after: VirtualMachine): Change => ({
  type: resourceType,
  id: after.id,
  before,
  after,
});
