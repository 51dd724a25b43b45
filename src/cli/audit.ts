/** `audit verify` and `audit export`: the audit log's chain of seals, in the database or in a file. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { systemClock } from '../clock.js';
import type { ChainReport } from '../core/audit-chain.js';
import type { Db } from '../data/client.js';
import type { Options } from './run.js';
import { settingsOf } from './settings.js';
import { UsageError } from './usage.js';

export async function audit(words: readonly string[], options: Options): Promise<number> {
  const [action, ...rest] = words;
  if (rest.length > 0) throw new UsageError(`audit ${action} takes no "${rest[0]}".`);
  if (action === 'verify') return verify(options);
  if (action === 'export') return exportAll(options);
  throw new UsageError('Say "audit verify" or "audit export".');
}

async function verify(options: Options): Promise<number> {
  refuse('verify', options, ['from', 'to', 'out']);
  const { file, anchor } = options;
  if (anchor !== undefined && !/^[0-9a-f]{64}$/.test(anchor))
    throw new UsageError('--anchor takes the hash of a seal: 64 digits 0-9 and a-f.');
  const report =
    file === undefined
      ? await withDatabase(options, async (db) => {
          const { verifyAudit } = await import('../core/audit-verify.js');
          return verifyAudit(db, { anchor });
        })
      : await verifyFile(file, anchor);
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : inWords(report));
  return report.faultCount === 0 ? 0 : 1;
}

async function verifyFile(file: string, anchor: string | undefined): Promise<ChainReport> {
  const { verifyExport } = await import('../core/audit-export.js');
  const input = createReadStream(file);
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  // readline does not hand on that its input cannot be read
  const failed = new Promise<never>((_resolve, reject) => input.once('error', reject));
  return Promise.race([verifyExport(lines, { anchor }), failed]);
}

async function exportAll(options: Options): Promise<number> {
  refuse('export', options, ['file', 'anchor', 'json']);
  const [from, to] = [momentOf('from', options.from), momentOf('to', options.to)];
  const { out } = options;
  return withDatabase(options, async (db) => {
    const { exportLines } = await import('../core/audit-export.js');
    const { NOWHERE, positionsOf } = await import('../core/audit-verify.js');
    const all = from === null && to === null;
    const positions = all ? undefined : ((await positionsOf(db, from, to)) ?? NOWHERE);
    const lines = Readable.from(exportLines(db, systemClock.now(), positions));
    if (out === undefined) {
      await pipeline(lines, process.stdout, { end: false });
      return 0;
    }
    const target = createWriteStream(out, { flags: 'wx', mode: 0o600 });
    let ours = false; // a file that was there before is not ours to remove
    target.once('open', () => {
      ours = true;
    });
    await pipeline(lines, target).catch(async (error: unknown) => {
      if (ours) await rm(out, { force: true });
      throw error;
    });
    return 0;
  });
}

function refuse(action: string, options: Options, names: readonly (keyof Options)[]): void {
  for (const name of names) {
    if (options[name] !== undefined) throw new UsageError(`audit ${action} takes no --${name}.`);
  }
}

function momentOf(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const moment = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(moment.getTime())) return moment;
  throw new UsageError(
    `--${name} takes a moment such as 2026-01-31 or 2026-01-31T12:00:00Z, not "${text}".`,
  );
}

/** As it is: nothing is migrated, and nothing in memory is taken for the database. */
async function withDatabase<T>(options: Options, work: (db: Db) => Promise<T>): Promise<T> {
  const { config, log } = settingsOf({ 'log-level': 'error', ...options });
  const { openPostgres } = await import('../data/postgres.js');
  const data = await openPostgres({ ...config.database, ...config.limits }, log);
  try {
    return await work(data.db);
  } finally {
    await data.close();
  }
}

function inWords(report: ChainReport & { readonly partial?: boolean }): string {
  const { seals, entries, unsealed, removed, first, last, faults, faultCount } = report;
  const lines = faults.map(({ kind, message }) => `${kind}: ${message}`);
  if (faultCount > faults.length) lines.push(`... and ${faultCount - faults.length} more faults`);
  lines.push(`${seals} seals, ${entries} sealed entries, ${unsealed} not sealed yet`);
  if (removed.seals > 0)
    lines.push(
      `${removed.entries} entries up to position ${removed.toSeq} were removed for their age`,
    );
  if (report.partial && first)
    lines.push(`begins with the seal ${first.number}, behind one with the hash ${first.previous}`);
  if (last) lines.push(`last seal: ${last.number} of ${last.sealedAt}`, `anchor: ${last.hash}`);
  lines.push(faultCount === 0 ? 'no faults' : `${faultCount} faults`);
  return `${lines.join('\n')}\n`;
}
