/** Ends tasks that are past their deadline, and forgets what is too old to matter: finished tasks and used idempotency keys. */
import { execute } from '../core/execute.js';
import { requireTerm } from '../core/fencing.js';
import type { Tx } from '../data/client.js';
import { UNFINISHED } from '../modules/task/rules.js';
import { expireTask } from '../modules/task/system-commands.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

export const taskDeadlines: Controller = {
  name: 'task-deadlines',
  intervalMs: 1_000,
  async run(services, stillLeading, signal) {
    const overdue = await services.data.db.task.findMany({
      where: { status: { in: [...UNFINISHED] }, deadlineAt: { lte: services.clock.now() } },
      select: { id: true },
      orderBy: { deadlineAt: 'asc' },
      take: 100,
    });
    await inTurn(overdue, stillLeading, ({ id }) =>
      execute(expireTask, { taskId: id }, systemCall(services, 'task-deadlines', signal)),
    );
  },
};

/** Deleting what has expired changes nothing that anybody could still ask for; it is housekeeping, not a command. */
export const retention: Controller = {
  name: 'retention',
  intervalMs: 10 * 60_000,
  async run({ data, clock, config, term }, stillLeading) {
    const now = clock.now();
    const finishedBefore = new Date(now.getTime() - config.tasks.retentionMs);
    const remove = (expired: (tx: Tx) => Promise<unknown>): Promise<void> =>
      data.transaction(async (tx) => {
        await requireTerm(tx, term);
        await expired(tx);
      });
    if (!stillLeading()) return;
    await remove((tx) => tx.idempotencyKey.deleteMany({ where: { expiresAt: { lte: now } } }));
    if (!stillLeading()) return;
    await remove((tx) => tx.task.deleteMany({ where: { finishedAt: { lte: finishedBefore } } }));
  },
};
