/** Puts recommendations away that are too old, or about things that have changed for good, by a command for each. */
import { execute } from '../core/execute.js';
import { OPEN_STATUSES, whyExpired } from '../modules/drs/rules.js';
import { EXPIRY_FACTS, expireDrsRecommendation } from '../modules/drs/system-commands.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

/** There is one set for each cluster, so a round sees them all; the oldest are the first to go. */
const SEEN_IN_A_ROUND = 1000;

export const drsExpiry: Controller = {
  name: 'drs-expiry',
  intervalMs: 30_000,
  async run(services, stillLeading, signal) {
    const { data, clock, config } = services;
    const open = await data.db.drsRecommendation.findMany({
      where: { status: { in: [...OPEN_STATUSES] } },
      include: EXPIRY_FACTS,
      orderBy: { createdAt: 'asc' },
      take: SEEN_IN_A_ROUND,
    });
    const stale = open.filter(
      (row) => whyExpired(row, clock.now(), config.drs.recommendationMaxAgeMs) !== null,
    );
    await inTurn(stale, stillLeading, ({ id }) =>
      execute(expireDrsRecommendation, { id }, systemCall(services, 'drs-expiry', signal)),
    );
  },
};
