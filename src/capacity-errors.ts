/** There is no room: in a project's quota, on any node, in a network, in a storage pool. Part of errors.ts. */
import { UserError } from './user-error.js';

const UNITS: Readonly<Record<string, string>> = {
  virtualMachines: 'virtual machines',
  vcpus: 'vCPUs',
  memoryMib: 'MiB of memory',
  storageGib: 'GiB of storage',
};

/** The project's quota does not allow it. All figures are in the unit that `resource` names. */
export class QuotaExceededError extends UserError {
  readonly code = 'QUOTA_EXCEEDED';
  constructor(
    readonly resource: string,
    readonly limit: number,
    readonly used: number,
    readonly requested: number,
  ) {
    super(
      `The project's quota of ${limit} ${UNITS[resource] ?? resource} does not allow ${requested} more: ${used} are in use. Free some, or ask for a larger quota.`,
    );
  }
}

export interface NodeVerdict {
  readonly nodeId: string;
  readonly hostname: string;
  readonly fits: boolean;
  /** Why not, in words; empty when it fits. */
  readonly reasons: readonly string[];
  readonly score: number | null;
  /** What the score is the sum of; absent where nothing was scored. */
  readonly parts?: readonly ScorePart[];
}

export interface ScorePart {
  readonly name: string;
  readonly value: number;
}

/** Nodes whose verdicts the message tells; the others are in `verdicts`. */
const TOLD = 10;

/** No hypervisor node can take the virtual machine, or do the job; it says why for each. */
export class NoSuitableNodeError extends UserError {
  readonly code = 'NO_SUITABLE_NODE';
  override readonly retryable = true;
  constructor(readonly verdicts: readonly NodeVerdict[]) {
    super(
      verdicts.length === 0
        ? 'There is no hypervisor node in the cluster. Register one first.'
        : `None of ${verdicts.length} hypervisor nodes can take it: ${verdicts
            .slice(0, TOLD)
            .map((v) => `${v.hostname} (${v.reasons.join(', ')})`)
            .join('; ')}${verdicts.length > TOLD ? `; and ${verdicts.length - TOLD} more` : ''}.`,
    );
  }
}

/** Where a network had room for machines, and how much. */
export interface SubnetUse {
  readonly network: string;
  readonly cidr: string;
  /** The first and last address that may be given. */
  readonly first: string;
  readonly last: string;
  readonly totalAddresses: bigint;
  readonly usedAddresses: bigint;
}

/** A network has no address left to give. */
export class SubnetExhaustedError extends UserError {
  readonly code = 'SUBNET_EXHAUSTED';
  override readonly retryable = true;
  constructor(
    readonly subnet: SubnetUse,
    override readonly path: readonly string[] = [],
  ) {
    const { network, cidr, first, last, totalAddresses, usedAddresses } = subnet;
    super(
      `The network ${network} (${cidr}) has no free address: of the ${totalAddresses} from ${first} to ${last}, ${usedAddresses} are in use. Free some, or use another network.`,
    );
  }
}

/** The storage pool has no room left to promise. All figures are in bytes. */
export class PoolExhaustedError extends UserError {
  readonly code = 'POOL_EXHAUSTED';
  override readonly retryable = true;
  constructor(
    pool: string,
    readonly capacityBytes: bigint,
    readonly claimedBytes: bigint,
    readonly requestedBytes: bigint,
  ) {
    super(
      `The storage pool ${pool} cannot set aside ${requestedBytes} bytes: ${claimedBytes} of its ${capacityBytes} are claimed. Delete volumes, extend it, or take another one.`,
    );
  }
}
