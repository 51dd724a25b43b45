/** Seals what was written to the audit log, and removes what is older than it is kept. */

import { type Horizon, isSettled, readHorizon, sealNext } from '../core/audit-seal.js';
import { requireTerm } from '../core/fencing.js';
import type { Logger } from '../log.js';
import type { Controller, TermServices } from './runner.js';

/** So many seals in a round leave other loops their turn at the database; a round that could go on is soon followed by another. */
const IN_A_ROUND = 100;

/** For each app one: it remembers how far it may seal when all that runs now has ended. */
export function auditSealer(): Controller {
  let pending: Horizon | null = null;
  return {
    name: 'audit-seal',
    intervalMs: 10_000, // a seal each time that something was written: not more of them than that
    async run(services, stillLeading) {
      const { data, term, log } = services;
      pending ??= await readHorizon(data.db);
      const { top } = pending;
      if (!(await isSettled(data.db, pending))) return;
      for (let round = 0; round < IN_A_ROUND; round += 1) {
        if (!stillLeading()) return;
        const made = await data.transaction(async (tx) => {
          await requireTerm(tx, term);
          return sealNext(tx, top);
        });
        if (made) tell(log, made);
        if (!made?.more) {
          pending = null;
          return;
        }
      }
    },
  };
}

/** Logs are kept elsewhere than the database: there, a seal's hash is an anchor that nobody can change along with the chain. */
function tell(log: Logger, { number, hash }: { number: string; hash: string }): void {
  log.info({ seal: number, hash }, 'audit log sealed');
}

export const auditRetention: Controller = {
  name: 'audit-retention',
  intervalMs: 60_000,
  async run(services, stillLeading) {
    for (let round = 0; round < IN_A_ROUND; round += 1) {
      if (!stillLeading() || !(await removeOldest(services))) return;
    }
  },
};

async function removeOldest({ data, clock, config, term, log, generations }: TermServices) {
  const { retentionMs } = config.audit;
  if (retentionMs === 0) return false;
  const oldest = await data.db.auditSeal.findFirst({
    where: { removedAt: null },
    select: { number: true, sealedAt: true },
    orderBy: { number: 'asc' },
  });
  if (!oldest || oldest.sealedAt.getTime() > clock.now().getTime() - retentionMs) return false;
  const { number } = oldest;
  const [row] = await data.transaction(async (tx) => {
    await requireTerm(tx, term);
    return tx.$queryRaw<{ removed: number }[]>`SELECT audit_remove(${number}::bigint) AS removed`;
  });
  // The statement does not show what it writes.
  await generations.raise(new Set(['AuditEntry']));
  log.info({ seal: String(number), entries: row?.removed }, 'audit entries removed for their age');
  return true;
}
