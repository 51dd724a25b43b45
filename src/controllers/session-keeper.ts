/**
 * Forgets sessions that count no more: past their end, or idle for too long. Nobody can use them; it is housekeeping, not a command.
 * Which ones are idle, only the ephemeral store knows; while that is away, nobody does.
 */
import { requireTerm } from '../core/fencing.js';
import { ephemeralKeys } from '../ephemeral/keys.js';
import type { Controller, TermServices } from './runner.js';

const PAGE = 500;
/** Its record is written just after its row. */
const NEW_MS = 60_000;

export const sessionKeeper: Controller = {
  name: 'sessions',
  intervalMs: 60_000,
  async run(services, stillLeading, signal) {
    const { data, clock, term } = services;
    const now = clock.now();
    const before = new Date(now.getTime() - NEW_MS);
    for (let after = ''; !signal.aborted; ) {
      const page = await data.db.session.findMany({
        where: { createdAt: { lt: before }, ...(after ? { id: { gt: after } } : {}) },
        select: { id: true, expiresAt: true },
        orderBy: { id: 'asc' },
        take: PAGE,
      });
      const idle = await idleOf(
        services,
        page.map(({ id }) => id),
      );
      const over = page.filter(({ id, expiresAt }) => expiresAt <= now || idle.has(id));
      if (!stillLeading()) return;
      // A statement makes kept answers stale also where it finds nothing.
      if (over.length > 0)
        await data.transaction(async (tx) => {
          await requireTerm(tx, term);
          await tx.session.deleteMany({ where: { id: { in: over.map(({ id }) => id) } } });
        });
      if (page.length < PAGE) return;
      after = page.at(-1)?.id ?? '';
    }
  },
};

/** None while that cannot be told: an answer that was begun before an outage and came after it is no answer, either. */
async function idleOf(
  { ephemeral }: TermServices,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (ephemeral.degraded || ids.length === 0) return new Set();
  const records = await ephemeral.getMany(ids.map((id) => ephemeralKeys.session(id)));
  return new Set(ephemeral.degraded ? [] : ids.filter((_, i) => records[i] === null));
}
