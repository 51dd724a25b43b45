/** What can be done to virtual networks. One without a project is infrastructure: administrators make it. */
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import {
  description,
  idOf,
  ipAddress,
  name,
  optional,
  present,
  version,
} from '../../core/input.js';
import { nameLock } from '../../core/locks.js';
import { deleteVersioned, readForEdit, updateVersioned } from '../../core/versioned.js';
import type { Tx } from '../../data/client.js';
import { AlreadyExistsError, InUseError, ValidationError } from '../../errors.js';
import type { VirtualNetwork } from '../../gen/client/client.js';
import { ProjectEntity } from '../project/queries.js';
import { networkOf } from './addresses.js';
import { VirtualNetworkEntity } from './queries.js';
import { checkNetwork } from './rules.js';
import { machinesOn, machinesOutside } from './usage.js';

const resourceType = 'VirtualNetwork';
const subject = (input: { id: string }) => ({ entity: VirtualNetworkEntity, id: input.id });

const cidr = z
  .string()
  .refine((text) => ipaddr.isValidCIDR(text), 'must be a network as in 10.0.0.0/24');
const addresses = {
  cidr: cidr.nullish(),
  gateway: ipAddress.nullish(),
  dhcpEnabled: optional(z.boolean()),
  dhcpRangeStart: ipAddress.nullish(),
  dhcpRangeEnd: ipAddress.nullish(),
  dnsServers: optional(z.array(ipAddress).max(8, 'at most 8')),
  mtu: optional(
    z.number().int().min(576, 'must be 576 at least').max(9216, 'must be 9216 at most'),
  ),
};

export const createVirtualNetwork = defineCommand({
  name: 'virtualNetwork.create',
  resourceType,
  permission: 'network:create',
  subject: ({ projectId }: { projectId?: string | undefined }) =>
    projectId === undefined ? null : { entity: ProjectEntity, id: projectId, path: ['projectId'] },
  input: z.object({
    projectId: optional(idOf('Project')),
    name,
    description: optional(description),
    networkType: z.enum(['VLAN', 'OVERLAY', 'EXTERNAL', 'ISOLATED']),
    vlanId: z.number().int().min(1).max(4094).nullish(),
    ...addresses,
  }),
  errors: [AlreadyExistsError],
  lock: ({ name }) => [nameLock(VirtualNetworkEntity, name)],
  label: (input) => input.name,
  async run({ tx, newId }, input) {
    const { networkType, projectId = null } = input;
    const shape = {
      networkType,
      vlanId: input.vlanId ?? null,
      cidr: input.cidr ?? null,
      gateway: input.gateway ?? null,
      dhcpEnabled: input.dhcpEnabled ?? false,
      dhcpRangeStart: input.dhcpRangeStart ?? null,
      dhcpRangeEnd: input.dhcpRangeEnd ?? null,
    };
    checkNetwork(shape);
    const id = newId();
    await checkOverlap(tx, id, projectId, shape);
    const after = await tx.virtualNetwork.create({
      data: { id, name: input.name, ...present(input), ...shape, projectId, phase: 'READY' },
    });
    return {
      result: { virtualNetworkId: id },
      changed: [{ type: resourceType, id, before: null, after }],
    };
  },
});

/** What decides which addresses a network has. */
const PLAN = ['cidr', 'gateway', 'dhcpRangeStart', 'dhcpRangeEnd'] as const;

/** Type and VLAN of a network stay what they are: machines are wired to them. */
export const updateVirtualNetwork = defineCommand({
  name: 'virtualNetwork.update',
  resourceType,
  permission: 'network:update',
  subject,
  input: z.object({
    id: idOf('VirtualNetwork'),
    name: optional(name),
    description: optional(description),
    ...addresses,
    expectedVersion: version,
  }),
  errors: [AlreadyExistsError, InUseError],
  async run({ tx, viewer }, { id, expectedVersion, ...fields }) {
    await requireVisible(tx, VirtualNetworkEntity, viewer, id);
    const before = await readForEdit<VirtualNetwork>(tx, VirtualNetworkEntity, id, expectedVersion);
    const changes = present(fields);
    const shape = { ...before, cidr: networkOf(before.cidr), ...changes };
    checkNetwork(shape);
    if ('cidr' in changes) await checkOverlap(tx, id, before.projectId, shape);
    const after = await updateVersioned(tx, VirtualNetworkEntity, before, changes);
    // After the row is ours: who was giving an address meanwhile has finished, and whoever comes next reads the new plan.
    if (PLAN.some((field) => field in changes)) {
      const { cidr, gateway, dhcpRangeStart, dhcpRangeEnd } = shape;
      const plan = cidr === null ? null : { cidr, gateway, dhcpRangeStart, dhcpRangeEnd };
      const misplaced = await machinesOutside({ tx, viewer }, before, plan);
      if (misplaced) throw new InUseError(resourceType, [misplaced]);
    }
    return {
      result: { virtualNetworkId: id },
      changed: [{ type: resourceType, id, before, after }],
    };
  },
});

export const deleteVirtualNetwork = defineCommand({
  name: 'virtualNetwork.delete',
  resourceType,
  permission: 'network:delete',
  subject,
  input: z.object({ id: idOf('VirtualNetwork'), expectedVersion: version }),
  errors: [InUseError],
  async run({ tx, viewer }, { id, expectedVersion }) {
    const before = await readForEdit<VirtualNetwork>(tx, VirtualNetworkEntity, id, expectedVersion);
    await lockAddressPlan(tx);
    const users = await machinesOn({ tx, viewer }, before);
    if (users) throw new InUseError(resourceType, [users]);
    await deleteVersioned(tx, VirtualNetworkEntity, before);
    return {
      result: { deletedVirtualNetworkId: id },
      changed: [{ type: resourceType, id, before, after: null }],
    };
  },
});

/** One at a time: two networks that are created at once must see each other. Ends with the transaction. */
async function lockAddressPlan(tx: Tx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('quantix:address-plan'))`;
}

/**
 * Networks that route together must not share addresses: those of one project with each other and with the shared ones.
 * An isolated network routes with nobody.
 */
async function checkOverlap(
  tx: Tx,
  id: string,
  projectId: string | null,
  network: { networkType: string; cidr: string | null },
): Promise<void> {
  if (network.cidr === null || network.networkType === 'ISOLATED') return;
  await lockAddressPlan(tx);
  const [clash] = await tx.$queryRaw<{ name: string; cidr: string }[]>`
    SELECT name, cidr::text AS cidr FROM virtual_networks
    WHERE cidr && ${network.cidr}::inet AND network_type <> 'ISOLATED' AND id <> ${id}::uuid
      AND (${projectId}::uuid IS NULL OR project_id IS NULL OR project_id = ${projectId}::uuid)
    LIMIT 1`;
  if (!clash) return;
  const message = `${network.cidr} overlaps with ${clash.cidr} of the network ${clash.name}, which routes together with it`;
  throw ValidationError.of(['cidr'], message);
}
