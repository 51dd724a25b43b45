/** Whether a restored database is what was dumped, and whether its audit log is what was sealed. */
import type pg from 'pg';
import type { ChainReport } from '../../core/audit-chain.js';
import { verifyAudit } from '../../core/audit-verify.js';
import { asOwner } from '../../data/connection.js';
import { openPostgres } from '../../data/postgres.js';
import { BackupError } from './failure.js';
import type { Manifest } from './manifest.js';
import { withClient } from './session.js';
import { countRows, feedOf, has } from './snapshot.js';
import type { Surroundings } from './surroundings.js';

/** Faults told one by one: enough to know where to look, in what still is a message. */
const TOLD = 3;

/**
 * @param accept what may be wrong all the same
 * @throws {BackupError} naming each table that differs, or the first faults of the audit log
 */
export async function verifyRestored(
  site: Surroundings,
  database: string,
  manifest: Manifest,
  accept: { readonly auditFaults: boolean } = { auditFaults: false },
): Promise<void> {
  const sealed = await withClient(site.config.database, database, async (client) => {
    await verifyRows(client, manifest);
    return has(client, 'audit_seals');
  });
  if (!sealed) return site.say('Audit log: of a time before there were seals.');
  const report = await auditOf(site, database);
  if (report.faultCount === 0) {
    const { seals, entries, unsealed, last } = report;
    const anchor = last === null ? '' : `; anchor: ${last.hash}`;
    site.say(`Audit log: ${seals} seals, ${entries} sealed entries, ${unsealed} not yet${anchor}`);
    return;
  }
  const faults = faultsOf(report);
  if (!accept.auditFaults) throw new BackupError(`The audit log is not what was sealed. ${faults}`);
  site.say(`Note: the audit log is not what was sealed, which was accepted. ${faults}`);
}

async function verifyRows(client: pg.Client, manifest: Manifest): Promise<void> {
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
}

/** By the verifier that `audit verify` uses; in the restored database nobody writes meanwhile. */
async function auditOf({ config, log }: Surroundings, database: string): Promise<ChainReport> {
  const pool = { maxConnections: 1, maxIdleConnections: 1 };
  const target = {
    ...config.database,
    ...config.limits,
    ...asOwner(config.database),
    ...pool,
    database,
  };
  const data = await openPostgres(target, log);
  try {
    return await verifyAudit(data.db, { maxFaults: TOLD });
  } finally {
    await data.close();
  }
}

function faultsOf({ faults, faultCount }: ChainReport): string {
  const told = faults.map(({ kind, message }) => `${kind}: ${message}`).join('; ');
  const more = faultCount - faults.length;
  return more > 0 ? `${told}; and ${more} more` : told;
}
