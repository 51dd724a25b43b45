/** Watches heartbeats: a silent node is NOT_READY, then DISCONNECTED with its virtual machines UNKNOWN. Nothing is restarted here. */
import { execute } from '../core/execute.js';
import { markSilentNode } from '../modules/node/system-commands.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

export const nodeHealth: Controller = {
  name: 'node-health',
  intervalMs: 1_000,
  async run(services, stillLeading, signal, leadingSince) {
    const { data, clock, config } = services;
    const silentSince = new Date(clock.now().getTime() - config.ha.notReadyAfterMs);
    // Whoever has just begun to lead, perhaps because everything was down, has given nobody the time to report yet.
    if (leadingSince > silentSince) return;
    const suspects = await data.db.node.findMany({
      where: { phase: { in: ['READY', 'NOT_READY'] }, lastHeartbeat: { lte: silentSince } },
      select: { id: true },
      take: 1000,
    });
    await inTurn(suspects, stillLeading, ({ id }) =>
      execute(markSilentNode, { nodeId: id }, systemCall(services, 'node-health', signal)),
    );
  },
};
