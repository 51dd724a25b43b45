/**
 * The words the agent speaks: what the control plane assigns, what a hypervisor observes, what a machine measures.
 * Types only. Sizes and durations carry their unit in the name; percentages are 0 to 100.
 */

/** What was last observed of a virtual machine. */
export type PowerState = 'STOPPED' | 'RUNNING' | 'PAUSED' | 'SUSPENDED' | 'CRASHED' | 'UNKNOWN';

/** What the control plane wants a virtual machine to be. */
export type DesiredState = 'STOPPED' | 'RUNNING' | 'PAUSED' | 'SUSPENDED' | 'DELETED';

/** The operations a task can ask of a hypervisor. */
export type VmOperation =
  | 'START'
  | 'STOP'
  | 'REBOOT'
  | 'RESET'
  | 'PAUSE'
  | 'RESUME'
  | 'SUSPEND'
  | 'MIGRATE'
  | 'RESIZE'
  | 'RECONFIGURE'
  | 'DELETE';

/** One virtual machine as it should be. Generations only grow: the highest one is the only one that counts. */
export interface Assignment {
  virtualMachineId: string;
  name: string;
  desiredState: DesiredState;
  /** The operation a task waits for; null means: reach `desiredState` by whatever is needed. */
  operation: VmOperation | null;
  generation: number;
  /** Skip the graceful part of a stop. */
  force: boolean;
  /** How long a guest may take to shut down before it is forced. */
  graceMs: number;
  spec: { vcpus: number; memoryMib: number; guestOs: string | null };
}

/** One virtual machine as it is. */
export interface ObservedVm {
  virtualMachineId: string;
  powerState: PowerState;
  /** The highest generation whose operation is finished, done or failed; 0 before the first. */
  generation: number;
  /** The operation in progress. */
  operation: VmOperation | null;
  /** 0 to 99 while something is in progress, else null. */
  progressPercent: number | null;
  /** Why the last finished generation failed; null when it succeeded. */
  error: { generation: number; reason: string } | null;
  ipAddresses: string[];
  guestAgentRunning: boolean;
  /** Share of the virtual machine's own vCPUs that is busy. */
  cpuPercent: number;
  memoryUsedMib: number;
  uptimeSeconds: number;
}

/** What runs the virtual machines of one node. Nothing here waits: results show in `observe()`. */
export interface Hypervisor {
  /**
   * Takes note of what a virtual machine should be. Idempotent and level-triggered: a generation that is not
   * newer than the accepted one is ignored, a newer one supersedes the operation that is still running.
   */
  apply(assignment: Assignment): void;
  /** Forgets, at once and whatever its state, a virtual machine that the control plane does not know. */
  remove(virtualMachineId: string): void;
  /** Every virtual machine held here. A deleted one is absent. */
  observe(): ObservedVm[];
  close(): void;
}

/** What a node is made of; changes only when somebody opens the case (or hot-plugs). */
export interface NodeSpec {
  /** sockets x coresPerSocket x threadsPerCore is the number of logical CPUs; frequencyMhz 0 means not known. */
  cpu: {
    model: string;
    sockets: number;
    coresPerSocket: number;
    threadsPerCore: number;
    frequencyMhz: number;
    features: string[];
  };
  memory: { totalMib: number };
  storage: { name: string; type: 'HDD' | 'SSD' | 'NVME'; sizeGib: number }[];
  /** speedMbps is null when the link is down or has no speed, as virtual ones do. */
  networks: { name: string; macAddress: string; speedMbps: number | null; mtu: number }[];
}

/** What software a node runs. */
export interface NodeSystemInfo {
  os: string;
  kernel: string;
  architecture: string;
  hypervisorVersion: string;
  agentVersion: string;
}

/** One sample. Rates are averages since the sample before. */
export interface NodeMetrics {
  /** ISO 8601, UTC. */
  sampledAt: string;
  cpuPercent: number;
  memoryUsedMib: number;
  memoryTotalMib: number;
  diskUsedGib: number;
  diskTotalGib: number;
  diskReadBytesPerSecond: number;
  diskWriteBytesPerSecond: number;
  networkReceiveBytesPerSecond: number;
  networkTransmitBytesPerSecond: number;
  loadAverage1m: number;
  uptimeSeconds: number;
}

/** Everything a node reports about itself. */
export interface NodeFigures {
  spec: NodeSpec;
  systemInfo: NodeSystemInfo;
  metrics: NodeMetrics;
}

/** Where a node's figures come from. */
export interface Machine {
  /** Rejects when the figures cannot be had, or after `close()`. */
  read(): Promise<NodeFigures>;
  close(): void;
}

/** Wall-clock time in milliseconds since the epoch. */
export interface TimeSource {
  now(): number;
}
