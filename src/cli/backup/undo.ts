/** Puts back the database that the last restore replaced; the restored one is kept in its turn. */
import { beside } from './databases.js';
import { BackupError } from './failure.js';
import { markStatement, presentDatabase } from './mark.js';
import { assertFree, exclusively, followUp } from './restore.js';
import type { Surroundings } from './surroundings.js';
import { renameAll } from './swap.js';

export async function undoRestore(site: Surroundings, force: boolean): Promise<void> {
  const { config, say } = site;
  const { database } = config.database;
  await exclusively(site, 'restore', async (server) => {
    const present = await presentDatabase(server, database);
    const mark = present?.mark;
    if (mark?.archive === null && mark.pending) {
      await followUp(site, server);
      say('An undo had been cut off behind the swap. It is finished now.');
      return;
    }
    if (!mark?.before)
      throw new BackupError(
        `The database ${database} was not put there by a restore that replaced another one.`,
      );
    const before = await presentDatabase(server, mark.before);
    if (!before)
      throw new BackupError(
        `The database ${mark.before}, which the restore replaced, is not there any more.`,
      );
    await assertFree(site, server, force);
    const undone = beside(database, 'undone', site.now());
    const renamings = [
      { from: database, to: undone },
      { from: mark.before, to: database },
    ];
    const earlier = before.mark;
    const next = markStatement(database, {
      quantix: 'restored',
      archive: null,
      at: site.now().toISOString(),
      before: earlier?.before ?? null,
      settings: earlier?.settings ?? null,
      pending: { settings: mark.settings },
    });
    await renameAll(server, config.database, renamings, [next, markStatement(undone, null)], force);
    say(
      `Swapped: ${database} is again what it was before the restore of ${mark.at}. What was restored is kept as ${undone}.`,
    );
    await followUp(site, server);
  });
}
