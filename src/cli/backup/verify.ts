/** Whether a restored database is what was dumped. */
import type pg from 'pg';
import { BackupError } from './failure.js';
import type { Manifest } from './manifest.js';
import { countRows, feedOf } from './snapshot.js';

/** @throws {BackupError} naming each table that differs */
export async function verifyRestored(client: pg.Client, manifest: Manifest): Promise<void> {
  const found = await countRows(client);
  const names = [...new Set([...Object.keys(manifest.tables), ...Object.keys(found)])].sort();
  const differences = names.flatMap((name) => {
    const [expected, got] = [manifest.tables[name], found[name]];
    return expected === got
      ? []
      : [`${name} has ${got ?? 'no'} rows instead of ${expected ?? 'none'}`];
  });
  if (differences.length > 0)
    throw new BackupError(`What was restored is not what was dumped: ${differences.join(', ')}.`);
  const feed = await feedOf(client);
  if (feed?.seq !== manifest.feed?.seq)
    throw new BackupError(
      `What was restored is not what was dumped: the audit log ends with entry ${feed?.seq}, not ${manifest.feed?.seq}.`,
    );
  await verifyAuditChain(client);
}

/** The one place where the audit log is checked in itself: each number once, and none twice. */
async function verifyAuditChain(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ rows: string; numbers: string }>(
    `SELECT count(*)::text AS rows, count(DISTINCT (to_jsonb(a) ->> 'seq'))::text AS numbers FROM audit_log a`,
  );
  const [row] = rows;
  if (row && row.rows !== row.numbers && row.numbers !== '0')
    throw new BackupError(
      `The audit log is damaged: ${row.rows} entries have ${row.numbers} different numbers.`,
    );
}
