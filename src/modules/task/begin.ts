/** Begins the task of a job: everything an agent does beside bringing a machine to its desired state. */
import type { RunContext } from '../../core/command.js';
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

/**
 * Writes the task; the node's next report tells its agent. Two that race for one object meet a partial unique index,
 * and the second is answered with a conflict.
 */
export function beginJob(
  { tx, viewer, now, newId }: RunContext,
  subject: JobSubject,
  timeoutMs: number,
): Promise<Task> {
  return tx.task.create({
    data: {
      id: newId(),
      ...subject,
      generation: 0, // of a machine's desired state, which a job does not change
      createdById: viewer.userId,
      createdByName: viewer.name,
      createdAt: now,
      deadlineAt: new Date(now.getTime() + timeoutMs),
    },
  });
}
