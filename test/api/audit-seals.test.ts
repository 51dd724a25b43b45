/** The chain of seals over the audit log: what it vouches for, and what it names of what somebody did to the rows behind its back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditRetention, auditSealer } from '../../src/controllers/audit-keeper.js';
import type { Fault } from '../../src/core/audit-chain.js';
import { DamagedExportError, exportLines, verifyExport } from '../../src/core/audit-export.js';
import { hashOfSeal, sha256 } from '../../src/core/audit-format.js';
import { sealNext } from '../../src/core/audit-seal.js';
import { positionsOf, verifyAudit } from '../../src/core/audit-verify.js';
import { feedEnd, readFeed } from '../../src/core/feed.js';
import { newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { until } from '../support/until.js';

let world: TestApp;
beforeAll(async () => {
  world = await createTestApp();
});
afterAll(() => world.stop());

const DAY_MS = 24 * 3_600_000;
const db = () => world.data.db;

async function write(count: number, details: object = {}): Promise<void> {
  await db().auditEntry.createMany({
    data: Array.from({ length: count }, (_, i) => ({
      id: newId(),
      username: `user-${i}`,
      action: 'cluster.update',
      resourceType: 'Cluster',
      ipAddress: '192.0.2.7',
      details: { before: { Z: 1, a: 2, 10: 'ten', 9: 'nine' }, ...details },
    })),
  });
}

const top = async () => (await db().auditEntry.aggregate({ _max: { seq: true } }))._max.seq ?? 0n;

async function sealAll(at?: Date): Promise<void> {
  const end = await top();
  let more = true;
  while (more)
    more =
      (await world.data.transaction((tx) => sealNext(tx, end, { limit: 10, at })))?.more ?? false;
}

/** As whoever has the disk, or the superuser's password. */
async function tamper(...statements: string[]): Promise<void> {
  await db().$executeRawUnsafe('ALTER TABLE audit_log DISABLE TRIGGER ALL');
  await db().$executeRawUnsafe('ALTER TABLE audit_seals DISABLE TRIGGER ALL');
  try {
    for (const statement of statements) await db().$executeRawUnsafe(statement);
  } finally {
    await db().$executeRawUnsafe('ALTER TABLE audit_log ENABLE TRIGGER ALL');
    await db().$executeRawUnsafe('ALTER TABLE audit_seals ENABLE TRIGGER ALL');
  }
}

/** Both ways to verify must see the same. */
async function faults(anchor?: string): Promise<readonly Fault[]> {
  const report = await verifyAudit(db(), { anchor });
  const offline = await verifyExport(exportLines(db(), new Date()), { anchor });
  expect(offline).toEqual({ ...report, partial: false });
  expect(report.faultCount).toBe(report.faults.length);
  return report.faults;
}

async function linesOf(...args: Parameters<typeof exportLines>): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportLines(...args)) lines.push(line);
  return lines;
}
async function* each(lines: readonly string[]) {
  yield* lines;
}

describe('an audit log that nobody tampered with', () => {
  it('is vouched for up to its last seal, however many seals there are', async () => {
    await write(25, { text: 'Grüße "\u2028" 🎈', number: 1e21 });
    await sealAll();
    await write(3);
    const report = await verifyAudit(db());
    expect(report).toMatchObject({ seals: 3, unsealed: 3, faultCount: 0, faults: [] });
    const entries = await db().auditEntry.count();
    expect(report.entries + report.unsealed).toBe(entries);
    expect(report.last?.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await faults(report.last?.hash)).toEqual([]);
    await sealAll();
    expect(await faults(report.last?.hash)).toEqual([]);
  });

  it('is sealed by the leader’s controller as far as nothing can come in any more, and only once', async () => {
    await write(2);
    const end = await top();
    const sealer = auditSealer();
    const round = () =>
      sealer.run(world.app.services, () => true, new AbortController().signal, new Date());
    await until('it is sealed', async () => {
      await round(); // what other tests do on this server may have begun before
      return (await verifyAudit(db())).unsealed === 0;
    });
    const seals = await db().auditSeal.count();
    await round();
    expect(await db().auditSeal.count()).toBe(seals);
    expect((await db().auditSeal.findFirst({ orderBy: { number: 'desc' } }))?.toSeq).toBe(end);
  });
});

describe('somebody who goes past the triggers', () => {
  interface Victim {
    readonly id: string;
    readonly seq: bigint;
  }
  let victims: Victim[];
  const one = (index: number): Victim => victims[index] as Victim;

  /** Each case begins with the same sealed entries, and puts back what it took. */
  async function caseWith(
    tampering: () => readonly string[],
    undo: () => readonly string[],
  ): Promise<readonly Fault[]> {
    victims ??= await db().auditEntry.findMany({
      where: { seq: { gt: (await top()) - 23n } },
      select: { id: true, seq: true },
      orderBy: { seq: 'asc' },
    });
    await tamper(...tampering());
    const found = await faults();
    await tamper(...undo());
    expect((await verifyAudit(db())).faultCount).toBe(0);
    return found;
  }
  beforeAll(async () => {
    await write(22);
    await sealAll();
    await write(1);
    await sealAll();
  });

  it('and changes any of what an entry says is told which one', async () => {
    const columns: Readonly<Record<string, string>> = {
      username: `'mallory'`,
      details: `'{"before": null}'`,
      created_at: `created_at + interval '1 ms'`,
      ip_address: 'NULL',
      status: `'DENIED'`,
      actor_id: 'gen_random_uuid()',
      credential_id: `'another'`,
      seen_after: 'ARRAY[gen_random_uuid()]',
    };
    const found = await caseWith(
      () => [
        'CREATE TABLE kept AS TABLE audit_log',
        ...Object.entries(columns).map(
          ([column, value], i) =>
            `UPDATE audit_log SET ${column} = ${value} WHERE id = '${one(i).id}'`,
        ),
      ],
      () => [
        'DELETE FROM audit_log',
        'INSERT INTO audit_log SELECT * FROM kept',
        'DROP TABLE kept',
      ],
    );
    expect(found).toMatchObject(
      Object.keys(columns).map((_, i) => ({
        kind: 'CHANGED',
        id: one(i).id,
        seq: String(one(i).seq),
      })),
    );
  });

  it('and deletes, swaps, moves or slips in entries is told which', async () => {
    const keep = () => 'CREATE TABLE kept AS TABLE audit_log';
    const back = () => [
      'DELETE FROM audit_log',
      'INSERT INTO audit_log SELECT * FROM kept',
      'DROP TABLE kept',
    ];
    const deleted = await caseWith(
      () => [keep(), `DELETE FROM audit_log WHERE id = '${one(3).id}'`],
      back,
    );
    expect(deleted).toMatchObject([{ kind: 'DELETED', id: one(3).id, seq: String(one(3).seq) }]);

    const [a, b] = [one(10), one(11)];
    const swapped = await caseWith(
      () => [
        keep(),
        `UPDATE audit_log SET seq = -1 WHERE id = '${a.id}'`,
        `UPDATE audit_log SET seq = ${a.seq} WHERE id = '${b.id}'`,
        `UPDATE audit_log SET seq = ${b.seq} WHERE id = '${a.id}'`,
      ],
      back,
    );
    expect(swapped.map(({ kind, id }) => [kind, id]).sort()).toEqual(
      [a, b].map(({ id }) => ['REORDERED', id]).sort(),
    );

    const slipped = newId();
    const inserted = await caseWith(
      () => [
        keep(),
        `DELETE FROM audit_log WHERE id = '${one(20).id}'`,
        `INSERT INTO audit_log (id, username, action, resource_type, seq) VALUES ('${slipped}', 'x', 'x', 'X', ${one(20).seq})`,
      ],
      back,
    );
    expect(inserted).toMatchObject([
      { kind: 'INSERTED', id: slipped },
      { kind: 'DELETED', id: one(20).id },
    ]);
  });

  it('and rewrites a seal, takes one out, or writes the whole chain anew is found out', async () => {
    const { last } = await verifyAudit(db());
    const anchor = String(last?.hash);
    await tamper('CREATE TABLE kept AS TABLE audit_seals');
    const undone = async () =>
      tamper('DELETE FROM audit_seals', 'INSERT INTO audit_seals SELECT * FROM kept');
    const number = Number(last?.number) - 1;

    await tamper(
      `UPDATE audit_seals SET manifest = replace(manifest, 'a', 'b') WHERE number = ${number}`,
    );
    expect(await faults()).toMatchObject([{ kind: 'SEAL_CHANGED', seal: String(number) }]);
    await undone();

    await tamper(`DELETE FROM audit_seals WHERE number = ${number}`);
    expect((await faults())[0]).toMatchObject({ kind: 'SEAL_MISSING', seal: last?.number });
    await undone();

    // The end cut off: what is left is whole, and only somebody who knew more can tell.
    await tamper(`DELETE FROM audit_seals WHERE number = ${last?.number}`);
    expect(await faults()).toEqual([]);
    expect(await faults(anchor)).toMatchObject([{ kind: 'ANCHOR_MISSING' }]);
    await undone();

    // An entry changed, and its seal made to fit.
    const seal = await db().auditSeal.findFirstOrThrow({ orderBy: { number: 'desc' } });
    const manifest = seal.manifest?.replace(/[0-9a-f]{64}/, sha256('forged')) ?? '';
    const forged = {
      ...seal,
      manifestHash: sha256(manifest),
      sealedAt: seal.sealedAt.toISOString(),
    };
    const text = { number: `${seal.number}`, fromSeq: `${seal.fromSeq}`, toSeq: `${seal.toSeq}` };
    const hash = hashOfSeal({ ...forged, ...text });
    await tamper(
      `UPDATE audit_seals SET manifest = '${manifest}', manifest_hash = '${sha256(manifest)}', hash = '${hash}' WHERE number = ${seal.number}`,
    );
    expect((await faults(anchor)).map(({ kind }) => kind)).toContain('ANCHOR_MISSING');
    await undone();

    // Removed before its time, as if for its age.
    await tamper(
      `UPDATE audit_seals SET manifest = NULL, removed_at = now() WHERE number = ${number}`,
    );
    expect((await faults())[0]).toMatchObject({ kind: 'SEAL_CHANGED', seal: String(number) });
    await undone();
    await tamper('DROP TABLE kept');
    expect(await faults(anchor)).toEqual([]);
  });
});

describe('an export', () => {
  it('of a time holds whole seals, and can be verified alone', async () => {
    await sealAll();
    const from = new Date(Date.now() + 1);
    while (Date.now() <= from.getTime());
    await write(2);
    await sealAll();
    await write(1);
    const positions = await positionsOf(db(), from, null);
    const lines = await linesOf(db(), new Date(), positions ?? undefined);
    expect(lines).toHaveLength(1 + 1 + 2 + 1 + 1);
    const report = await verifyExport(each(lines));
    expect(report).toMatchObject({
      partial: true,
      seals: 1,
      entries: 2,
      unsealed: 1,
      faultCount: 0,
    });
    expect(await positionsOf(db(), new Date(Date.now() + DAY_MS), null)).toBeNull();
  });

  it('that is cut off, or is something else, is refused with the line that shows it', async () => {
    const lines = await linesOf(db(), new Date());
    const refusal = async (...given: string[]) =>
      expect(verifyExport(each(given))).rejects.toBeInstanceOf(DamagedExportError);
    await refusal(...lines.slice(0, -1));
    await refusal(...lines.slice(0, 3), ...lines.slice(4));
    await refusal('{}');
    await refusal('nonsense');
    await refusal();
    await refusal(...lines, ...lines);
  });
});

describe('retention', () => {
  const remove = () =>
    auditRetention.run(world.app.services, () => true, new AbortController().signal, new Date());

  it('is refused by the database for what is young, newer than what is left, or not sealed', async () => {
    const seals = await db().auditSeal.findMany({
      orderBy: { number: 'asc' },
      select: { number: true },
    });
    const refused = /append-only/;
    for (const { number } of [seals[0], seals.at(-1)].filter((seal) => seal !== undefined))
      await expect(db().$queryRaw`SELECT audit_remove(${number}::bigint)`).rejects.toThrow(refused);
    await expect(db().$queryRaw`SELECT audit_remove(99999999)`).rejects.toThrow(/no seal/);
    for (const sql of [
      'DELETE FROM audit_log',
      'DELETE FROM audit_seals',
      'TRUNCATE audit_seals',
      "UPDATE audit_seals SET hash = repeat('0', 64)",
    ])
      await expect(db().$executeRawUnsafe(sql)).rejects.toThrow(refused);
    await remove();
    expect((await verifyAudit(db())).removed.seals).toBe(0);
  });

  it('removes whole seals that are old enough, leaves a chain that can be verified, and tells followers of the feed', async () => {
    const old = await createTestApp();
    try {
      const { db } = old.data;
      const entries = (prefix: string) =>
        [1, 2, 3].map((i) => ({
          id: newId(),
          username: `${prefix}-${i}`,
          action: 'a.b',
          resourceType: 'Cluster',
        }));
      const seal = async (at: Date) => {
        const { _max } = await db.auditEntry.aggregate({ _max: { seq: true } });
        await old.data.transaction((tx) => sealNext(tx, _max.seq ?? 0n, { at }));
      };
      const before = await feedEnd(db, '');
      const kept = old.app.services.config.audit.retentionMs;
      await db.auditEntry.createMany({ data: entries('ancient') });
      await seal(new Date(Date.now() - kept - 2 * DAY_MS));
      await db.auditEntry.createMany({ data: entries('recent') });
      await seal(new Date(Date.now() - kept + DAY_MS));
      const present = await feedEnd(db, '');
      const { last } = await verifyAudit(db);

      const run = () =>
        auditRetention.run(old.app.services, () => true, new AbortController().signal, new Date());
      await run();
      await run();
      const report = await verifyAudit(db, { anchor: last?.hash });
      expect(report).toMatchObject({ seals: 2, faultCount: 0, removed: { seals: 1 } });
      expect(report.removed.entries).toBeGreaterThanOrEqual(3);
      const left = await db.auditEntry.findMany({ select: { username: true } });
      expect(left.some(({ username }) => username.startsWith('ancient'))).toBe(false);
      expect(left.filter(({ username }) => username.startsWith('recent'))).toHaveLength(3);

      const query = { ids: [], types: ['Cluster'], first: 10 };
      expect(await readFeed(db, before, query)).toMatchObject({ stale: 'EXPIRED' });
      expect(await readFeed(db, present, query)).not.toHaveProperty('stale');
    } finally {
      await old.stop();
    }
  });
});
