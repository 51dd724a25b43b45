/** Empties the bin: what has lain in it for as long as it is kept goes for good, by a command for each. */
import { execute } from '../core/execute.js';
import { expireVirtualMachine } from '../modules/virtual-machine/bin-commands.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

export const binKeeper: Controller = {
  name: 'bin',
  intervalMs: 10_000,
  async run(services, stillLeading, signal) {
    const { data, clock, config } = services;
    const deletedBefore = new Date(clock.now().getTime() - config.deletion.retentionMs);
    const due = await data.db.virtualMachine.findMany({
      where: { deletedAt: { lte: deletedBefore } },
      select: { id: true },
      orderBy: { deletedAt: 'asc' },
      take: 100,
    });
    await inTurn(due, stillLeading, ({ id }) =>
      execute(expireVirtualMachine, { id }, systemCall(services, 'bin', signal)),
    );
  },
};
