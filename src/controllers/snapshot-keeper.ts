/**
 * Snapshots that were taken for a copy go when that has ended, however it did: by a command for each, when their machine is idle.
 * One that could not be deleted is tried again: after a minute at least, then after as long as it has been failing, a day at most.
 */
import { execute } from '../core/execute.js';
import { OPERATIONS } from '../modules/virtual-machine/rules.js';
import { discardSnapshot } from '../modules/virtual-machine/snapshot-commands.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

interface Due {
  readonly id: string;
  readonly virtualMachineId: string;
}

export const snapshotKeeper: Controller = {
  name: 'snapshots',
  intervalMs: 5_000,
  async run(services, stillLeading, signal) {
    const now = services.clock.now();
    const due = await services.data.db.$queryRaw<Due[]>`
      SELECT s.id, s.vm_id AS "virtualMachineId" FROM vm_snapshots s JOIN virtual_machines v ON v.id = s.vm_id
      WHERE s.discard_after_task_id IS NOT NULL AND s.state IN ('AVAILABLE', 'ERROR')
        AND v.deleted_at IS NULL AND v.power_state::text = ANY(${[...OPERATIONS.DELETE_SNAPSHOT.from]}::text[])
        AND NOT EXISTS (SELECT FROM tasks t WHERE t.id = s.discard_after_task_id AND t.finished_at IS NULL)
        AND NOT EXISTS (SELECT FROM tasks t WHERE t.vm_id = v.id AND t.finished_at IS NULL)
        AND NOT EXISTS (
          SELECT FROM tasks t WHERE t.vm_id = v.id AND t.operation = 'DELETE_SNAPSHOT' AND t.details->>'snapshotId' = s.id::text
          HAVING max(t.finished_at) + least('1 day', greatest('1 minute', max(t.finished_at) - min(t.finished_at))) > ${now}::timestamptz)
      ORDER BY s.id LIMIT 100`;
    await inTurn(due, stillLeading, (snapshot) =>
      execute(discardSnapshot, snapshot, systemCall(services, 'snapshots', signal)),
    );
  },
};
