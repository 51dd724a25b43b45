/**
 * What the operations of tasks mean: each is declared by the module that begins it, and whoever ends a task asks here.
 *
 * There are two ways in which an agent does an operation. A virtual machine is brought to the state that should be,
 * and says so by its generation (see modules/report/rules.ts). Everything else is a job: the agent is told of it in the
 * answer of each report until it says how the job ended; the task's id is what makes a repeated job the same job.
 */
import type { Change, RunContext } from '../../core/command.js';
import type { Tx } from '../../data/client.js';
import type { Task } from '../../gen/client/client.js';
import type { TaskOperation } from '../../gen/client/enums.js';
import type { TaskEnd } from './rules.js';

/** A volume as an agent needs to know it. Ids are public ids, sizes are in bytes. */
export interface JobVolume {
  readonly volumeId: string;
  readonly storagePoolId: string;
  readonly sizeBytes: bigint;
  readonly provisioning: string;
  /** What it is filled from; null: nothing. SNAPSHOT: a volume, as the job's `snapshotId` holds it. */
  readonly sourceType: 'VOLUME' | 'SNAPSHOT' | 'IMAGE' | null;
  readonly sourceId: string | null;
  /** Shares the blocks of its source instead of copying them. */
  readonly linked: boolean;
}

/** What an agent is told of a job, beside its task and operation. Public ids; absent is "not for this operation". */
export interface JobParts {
  readonly virtualMachineId?: string;
  readonly snapshotId?: string;
  readonly targetNodeId?: string;
  readonly imageId?: string;
  readonly storagePoolId?: string;
  /** Where an image is fetched from, and what it must add up to ("sha256:..."; empty: not checked). */
  readonly sourceUrl?: string;
  readonly checksum?: string;
  readonly format?: string;
  /** How each pool of the job is reached: `[{ storagePoolId, poolType, ... }]`, its backend's fields and its secrets, as JSON text. Never logged. */
  readonly poolConfiguration?: string;
  readonly volumes?: readonly JobVolume[];
}

/** What an agent says of a job that is done. */
export interface JobResult {
  readonly volumes: readonly {
    readonly volumeId: string;
    readonly path?: string | undefined;
    readonly devicePath?: string | undefined;
    readonly actualSizeBytes?: bigint | undefined;
  }[];
  /** Of the snapshot or image that was made, in bytes. */
  readonly sizeBytes?: bigint | undefined;
  /** Of the pool that was prepared, in bytes. */
  readonly capacityBytes?: bigint | undefined;
  readonly usedBytes?: bigint | undefined;
  readonly path?: string | undefined;
}

export interface TaskKind {
  /** Absent: the agent acts on the virtual machine's desired state instead. */
  readonly job?: {
    /** Whether the task is (still) a job; absent: as long as it is unfinished. */
    applies?(task: Task): boolean;
    /** @throws UnreadableSecretError: the job cannot be done, and its task fails */
    describe(tx: Tx, task: Task, services: RunContext['services']): Promise<JobParts>;
    /** Absent: at once. 'later': the agent is not told yet. An end: it cannot be done any more. Asked with each report. */
    mayBegin?(tx: Tx, task: Task): Promise<'now' | 'later' | TaskEnd>;
    /** Writes that the agent has begun, when that shows. */
    begun?(context: RunContext, task: Task): Promise<Change[]>;
    /** Writes what was done. `goesOn`: the task does not end here, and `continued` is what it is from now on. */
    done(context: RunContext, task: Task, result: JobResult): Promise<JobDone>;
  };
  /** Absent: it cannot be cancelled. */
  cancellable?(task: Task): boolean;
  /** Writes what follows from success, where an agent brought a machine to its desired state. */
  finish?(context: RunContext, task: Task): Promise<Change[]>;
  /** Puts things right after an end other than success. The task's row has been written; its machine's row is locked. */
  undo(context: RunContext, task: Task, end: TaskEnd): Promise<Change[]>;
}

export interface JobDone {
  readonly changed: readonly Change[];
  /** When what the agent did came too late to count. */
  readonly end?: TaskEnd;
  readonly result?: { readonly type: string; readonly id: string };
  /** What begins when the task has ended: an object can have one unfinished task only. */
  readonly afterwards?: () => Promise<readonly Change[]>;
  /** The task goes on with these columns instead of ending. */
  readonly continued?: Partial<
    Pick<Task, 'nodeId' | 'generation' | 'progressPercent' | 'deadlineAt'>
  > & {
    readonly details: object;
  };
}

const kinds = new Map<TaskOperation, TaskKind>();

/** Declares what an operation means. Throws when it is declared twice. */
export function defineTaskKind(operation: TaskOperation, kind: TaskKind): void {
  if (kinds.has(operation)) throw new Error(`${operation} is declared twice`);
  kinds.set(operation, kind);
}

/** Throws for an operation that no module has declared: its tasks could never end. */
export function kindOf({ operation }: Pick<Task, 'operation'>): TaskKind {
  const kind = kinds.get(operation);
  if (!kind) throw new Error(`no module declares the operation ${operation}`);
  return kind;
}

/** Whether an agent does it as a job now. */
export function isJob(task: Task): boolean {
  const { job } = kindOf(task);
  return job !== undefined && (job.applies?.(task) ?? true);
}
