/** Snapshots that were taken for a copy go when that has ended, however it did: by a command for each, when their machine is idle. */
import { execute } from '../core/execute.js';
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
    const due = await services.data.db.$queryRaw<Due[]>`
      SELECT s.id, s.vm_id AS "virtualMachineId" FROM vm_snapshots s JOIN virtual_machines v ON v.id = s.vm_id
      WHERE s.discard_after_task_id IS NOT NULL AND s.state IN ('AVAILABLE', 'ERROR')
        AND v.deleted_at IS NULL AND v.power_state IN ('RUNNING', 'PAUSED', 'STOPPED', 'SUSPENDED')
        AND NOT EXISTS (SELECT FROM tasks t WHERE t.id = s.discard_after_task_id AND t.finished_at IS NULL)
        AND NOT EXISTS (SELECT FROM tasks t WHERE t.vm_id = v.id AND t.finished_at IS NULL)
      ORDER BY s.id LIMIT 100`;
    await inTurn(due, stillLeading, (snapshot) =>
      execute(discardSnapshot, snapshot, systemCall(services, 'snapshots', signal)),
    );
  },
};
