/** The audit log as JSON lines, which can be verified without a database: docs/audit.md has the format. Reading and writing keep one seal in memory. */
import type { Db } from '../data/client.js';
import { AuditChain, type ChainOptions, type ChainReport } from './audit-chain.js';
import type { Seal, SealedEntry } from './audit-format.js';
import { auditRecords, type Positions } from './audit-verify.js';

const EXPORT_FORMAT = 'quantix audit export 1';

type Line =
  | { readonly format: string; readonly exportedAt: string; readonly partial: boolean }
  | { readonly seal: Seal }
  | { readonly entry: SealedEntry }
  | { readonly end: { readonly seals: number; readonly entries: number } };

/** @param positions whole seals are written that reach into them; absent: everything */
export async function* exportLines(
  db: Db,
  exportedAt: Date,
  positions?: Positions,
): AsyncGenerator<string> {
  const line = (part: Line): string => `${JSON.stringify(part)}\n`;
  yield line({
    format: EXPORT_FORMAT,
    exportedAt: exportedAt.toISOString(),
    partial: positions !== undefined,
  });
  const end = { seals: 0, entries: 0 };
  for await (const record of auditRecords(db, positions)) {
    if ('seal' in record) {
      end.seals += 1;
      yield line({ seal: record.seal });
    } else {
      end.entries += 1;
      yield line({ entry: record.entry });
    }
  }
  yield line({ end });
}

export interface ExportReport extends ChainReport {
  /** It holds a part of the log: what comes before its first seal is not judged. */
  readonly partial: boolean;
}

/** Verifies an export as `verifyAudit` does the database. Throws DamagedExportError when it is none, or is cut off. */
export async function verifyExport(
  lines: AsyncIterable<string>,
  options: ChainOptions = {},
): Promise<ExportReport> {
  let chain: AuditChain | null = null;
  let partial = false;
  let ended = false;
  const seen = { seals: 0, entries: 0 };
  let number = 0;
  for await (const text of lines) {
    number += 1;
    const line = parse(text, number);
    if (ended) throw damaged(number, 'stands behind the end');
    if (!chain) {
      if (!('format' in line) || line.format !== EXPORT_FORMAT)
        throw damaged(number, `should say {"format":"${EXPORT_FORMAT}"}`);
      partial = line.partial;
      chain = new AuditChain({ ...options, partial });
    } else if ('seal' in line) {
      seen.seals += 1;
      chain.seal(line.seal);
    } else if ('entry' in line) {
      seen.entries += 1;
      chain.entry(line.entry);
    } else if ('end' in line) {
      ended = true;
      if (line.end.seals !== seen.seals || line.end.entries !== seen.entries)
        throw damaged(
          number,
          `counts ${line.end.seals} seals and ${line.end.entries} entries, and there are ${seen.seals} and ${seen.entries}`,
        );
    } else throw damaged(number, 'is neither a seal nor an entry');
  }
  if (!chain || !ended) throw new DamagedExportError(`The file is cut off behind line ${number}.`);
  return { ...chain.end(), partial };
}

/** The file is not an export, or not all of one. */
export class DamagedExportError extends Error {}

const damaged = (line: number, what: string) => new DamagedExportError(`Line ${line} ${what}.`);

function parse(text: string, number: number): Line {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line === 'object' && line !== null) return line as Line;
  } catch {
    // said below
  }
  throw damaged(number, 'is not a JSON object');
}
