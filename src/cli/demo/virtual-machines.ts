/** The rows of the demo's virtual machines, and of their membership in security groups. */
import { toJson } from '../../core/json.js';
import type { Prisma } from '../../gen/client/client.js';
import type { DesiredState, PowerState } from '../../gen/client/enums.js';
import { resourcesOf, type VmResources, type VmSpec } from '../../modules/virtual-machine/spec.js';
import { clusterId } from './clusters.js';
import type { Ago } from './ids.js';
import { APPS, MACHINES, type Machine } from './machines.js';
import { addressBook } from './networks.js';
import { nodeId } from './nodes.js';
import { type ProjectName, projectId } from './projects.js';
import { userId } from './users.js';
import { clusterOfMachine, specOf } from './vm-spec.js';
import { machineId } from './volumes.js';

/** What it should be, where it is that: whoever crashed or is not heard of should still run. */
const DESIRED: Readonly<Record<PowerState, DesiredState>> = {
  STOPPED: 'STOPPED',
  RUNNING: 'RUNNING',
  PAUSED: 'PAUSED',
  SUSPENDED: 'SUSPENDED',
  CRASHED: 'RUNNING',
  UNKNOWN: 'RUNNING',
};

/** One for being made, one for each operation since: start, then pause, suspend or stop. */
function generationOf({ power, node }: Machine): number {
  if (node === null) return 1;
  return power === 'PAUSED' || power === 'SUSPENDED' || power === 'STOPPED' ? 3 : 2;
}

/** Operators make the machines of their projects; the platform is the administrator's. */
export const makerOf = (project: ProjectName): 'admin' | 'operator' =>
  project === 'platform' ? 'admin' : 'operator';

export type MachineRow = Prisma.VirtualMachineCreateManyInput & {
  readonly nodeId: string | null;
  readonly capacityClaimed: boolean;
  readonly resources: VmResources & Prisma.InputJsonObject;
};

function rowOf(machine: Machine, spec: VmSpec, ago: Ago): MachineRow {
  const app = APPS[machine.app];
  const generation = generationOf(machine);
  const isRunning = machine.power === 'RUNNING';
  const [made, changed] = machine.days;
  return {
    id: machineId(machine.name),
    name: machine.name,
    projectId: projectId(app.project),
    description: `${app.about}.`,
    labels: { env: machine.env, tier: app.tier, app: machine.app },
    spec: toJson(spec) as Prisma.InputJsonValue,
    powerState: machine.power,
    desiredState: DESIRED[machine.power],
    generation,
    observedGeneration: generation,
    clusterId: clusterId(clusterOfMachine(machine)),
    nodeId: machine.node && nodeId(machine.node),
    capacityClaimed: machine.power !== 'STOPPED',
    ipAddresses: isRunning ? (spec.nics ?? []).flatMap((nic) => nic.ipAddresses ?? []) : [],
    resources: { ...resourcesOf(spec) },
    guestAgent: isRunning ? { running: true, version: '10.0.3' } : { running: false },
    statusMessage: machine.message ?? '',
    deletionProtected: app.isProtected ?? false,
    createdById: userId(makerOf(app.project)),
    createdAt: ago(made),
    updatedAt: ago(changed),
  };
}

export interface MachineRows {
  readonly machines: MachineRow[];
  readonly memberships: Prisma.VmSecurityGroupCreateManyInput[];
}

export function machineRows(ago: Ago): MachineRows {
  const address = addressBook();
  const machines: MachineRow[] = [];
  const memberships: Prisma.VmSecurityGroupCreateManyInput[] = [];
  for (const machine of MACHINES) {
    const spec = specOf(machine, address);
    machines.push(rowOf(machine, spec, ago));
    const groups = new Set((spec.nics ?? []).flatMap((nic) => nic.securityGroupIds ?? []));
    for (const securityGroupId of groups) {
      memberships.push({ virtualMachineId: machineId(machine.name), securityGroupId });
    }
  }
  return { machines, memberships };
}
