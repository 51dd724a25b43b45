/** The beginnings of tasks: one row each. */
import type { Change, RunContext } from '../../core/command.js';
import type { Prisma, Task } from '../../gen/client/client.js';
import type { TaskOperation } from '../../gen/client/enums.js';

/** What a job is about. `volumeId`, `imageId`, `poolId`, `virtualMachineId`: nothing else may be at work on these until it ends. */
export interface JobSubject {
  readonly operation: TaskOperation;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly resourceName: string;
  readonly projectId: string | null;
  readonly nodeId: string;
  readonly volumeId?: string;
  readonly imageId?: string;
  readonly poolId?: string;
  readonly virtualMachineId?: string;
  /** What its kind needs to know later. */
  readonly details?: Prisma.InputJsonObject;
}

/** What a beginner says of a task. Who asked for it is the viewer, unless it is said. */
export type TaskColumns = Omit<
  Prisma.TaskUncheckedCreateInput,
  'id' | 'createdAt' | 'deadlineAt' | 'createdByName'
> & { readonly createdByName?: string };

export function createTask(
  { tx, viewer, now, newId }: RunContext,
  columns: TaskColumns,
  timeoutMs: number,
): Promise<Task> {
  return tx.task.create({
    data: {
      id: newId(),
      createdById: viewer.userId,
      createdByName: viewer.name,
      ...columns,
      createdAt: now,
      deadlineAt: new Date(now.getTime() + timeoutMs),
    },
  });
}

/**
 * Writes the task of a job: everything an agent does beside bringing a machine to its desired state. The node's next report
 * tells its agent. Two that race for one object meet a partial unique index, and the second is answered with a conflict.
 */
export function beginJob(
  context: RunContext,
  subject: JobSubject,
  timeoutMs: number,
): Promise<Task> {
  return createTask(context, { ...subject, generation: 0 }, timeoutMs); // of a machine's desired state, which a job does not change
}

export function newTask(task: Task): Change {
  return { type: 'Task', id: task.id, before: null, after: task };
}
