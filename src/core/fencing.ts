/**
 * Fencing: a leader that was paused for longer than its lease, and does not know it yet, writes nothing. A term is claimed in
 * the database before its first round; every transaction of it holds that row FOR SHARE, so a newer claim waits for what is
 * running, and whatever comes after it is refused.
 */
import type { Leadership } from '../coordination/coordination.js';
import type { Db, Tx } from '../data/client.js';

/** Another leader has come after this one. Nothing was written. */
export class StaleLeaderError extends Error {
  override readonly name = 'StaleLeaderError';
}

/** There is one kind of leader: the one that runs the controllers. */
const NAME = 'controllers';

/**
 * Makes this the term whose writes count. A newer one of the same cluster is never replaced by an older one, nor one by another's of the
 * same number: that is of an etcd which was put back since. Tokens of another cluster cannot be compared: there whoever claims last has
 * it, and the one before ends its term. A newer one that there cannot be is disavowed; then the next term is of another cluster.
 * @throws {StaleLeaderError} after ending `term`
 */
export async function claimTerm(
  db: Db,
  term: Leadership,
  holder: string,
  now: Date,
): Promise<void> {
  const claimed = await db.$executeRaw`
    INSERT INTO leadership AS row (name, cluster, token, holder, since)
    VALUES (${NAME}, ${term.cluster}, ${term.fencingToken}, ${holder}, ${now})
    ON CONFLICT (name) DO UPDATE
    SET cluster = excluded.cluster, token = excluded.token, holder = excluded.holder, since = excluded.since
    WHERE row.cluster <> excluded.cluster OR row.token < excluded.token
      OR (row.token = excluded.token AND row.holder = excluded.holder)`;
  if (claimed > 0) return;
  // Where it fails, the next term comes here again. Before the end: who has given the leader key away is not heard.
  await disavow(db, term).catch(() => undefined);
  end(term);
}

async function disavow(db: Db, term: Leadership): Promise<void> {
  const [row] = await db.$queryRaw<{ token: bigint }[]>`
    SELECT token FROM leadership WHERE name = ${NAME} AND cluster = ${term.cluster}`;
  if (row) await term.disavow(row.token);
}

/**
 * To be the first statement of every transaction of a term; without one (whoever is no leader) it does nothing.
 * @throws {StaleLeaderError} after ending `term`
 */
export async function requireTerm(tx: Tx, term: Leadership | undefined): Promise<void> {
  if (!term) return;
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT name FROM leadership
    WHERE name = ${NAME} AND cluster = ${term.cluster} AND token = ${term.fencingToken} FOR SHARE`;
  if (rows.length === 0) end(term);
}

function end(term: Leadership): never {
  term.end();
  throw new StaleLeaderError('another leader came after this one');
}
