/**
 * Follows the chain of seals and compares each entry with what its seal says of it. Works on records as they come, from the database or a file, and
 * keeps one seal at a time and a bounded number of faults.
 */
import {
  hashOfEntry,
  hashOfSeal,
  NO_SEAL,
  type Seal,
  type SealedEntry,
  sha256,
} from './audit-format.js';

export type FaultKind =
  | 'CHANGED' // an entry is not what was sealed
  | 'DELETED' // an entry that was sealed is not there
  | 'INSERTED' // an entry is there that was not sealed, at a position that is
  | 'REORDERED' // an entry is at another position than the one it was sealed at
  | 'SEAL_CHANGED' // a seal does not have the hash that its content gives
  | 'SEAL_MISSING' // a number is left out, or the chain does not begin where it should
  | 'CHAIN_BROKEN' // a seal does not continue the one before it
  | 'ANCHOR_MISSING'; // no seal has the hash that the caller knew: the chain was rewritten, or cut off at its end

export interface Fault {
  readonly kind: FaultKind;
  /** Of the entry; absent when the fault is a seal's. */
  readonly id?: string;
  /** Its position, or where it was when it was sealed. */
  readonly seq?: string;
  /** The seal's number. */
  readonly seal?: string;
  readonly message: string;
}

export interface ChainReport {
  readonly seals: number;
  /** Entries that a seal vouches for. */
  readonly entries: number;
  /** Entries behind the last seal: nothing vouches for them yet. */
  readonly unsealed: number;
  /** What was removed for its age, as its seals say. */
  readonly removed: {
    readonly seals: number;
    readonly entries: number;
    readonly toSeq: string | null;
  };
  /** The first and the last seal; null: there is none. `last.hash` is what to keep elsewhere, as the anchor of a later look. */
  readonly first: { readonly number: string; readonly previous: string } | null;
  readonly last: {
    readonly number: string;
    readonly hash: string;
    readonly sealedAt: string;
  } | null;
  readonly faultCount: number;
  /** The first of them. */
  readonly faults: readonly Fault[];
}

export interface ChainOptions {
  /** The hash of a seal that was seen before: it must still be there. */
  readonly anchor?: string | undefined;
  /** Most faults that are told one by one; 100 by default. */
  readonly maxFaults?: number | undefined;
  /** A part of the chain, as an export may be: it need not begin with the first seal. */
  readonly partial?: boolean | undefined;
}

interface Sealed {
  readonly seq: string;
  readonly hash: string;
}

export class AuditChain {
  readonly #faults: Fault[] = [];
  #faultCount = 0;
  #seals = 0;
  #entries = 0;
  #unsealed = 0;
  #removed = { seals: 0, entries: 0, toSeq: null as string | null };
  #first: Seal | null = null;
  #last: Seal | null = null;
  /** What of the present seal's manifest was not met yet, by id; null: it has none that can be trusted. */
  #awaited: Map<string, Sealed> | null = null;
  #anchored: boolean;
  #position = 0n;

  constructor(private readonly options: ChainOptions = {}) {
    this.#anchored = options.anchor === undefined;
  }

  /** To be told of each seal before its entries. */
  seal(seal: Seal): void {
    this.#endSeal();
    const before = this.#last;
    const { number, fromSeq, toSeq, previous, hash } = seal;
    if (hash === this.options.anchor) this.#anchored = true;
    const expected = before ? BigInt(before.number) + 1n : 1n;
    if (BigInt(number) !== expected && !(this.options.partial && !before))
      this.#fault(
        'SEAL_MISSING',
        { seal: number },
        `the seal before ${number} should be ${BigInt(number) - 1n}, and ${before ? `is ${before.number}` : 'there is none'}`,
      );
    else if (before ? previous !== before.hash : BigInt(number) === 1n && previous !== NO_SEAL)
      this.#fault(
        'CHAIN_BROKEN',
        { seal: number },
        `the seal ${number} does not name the hash of the one before it`,
      );
    else if (before && BigInt(fromSeq) !== BigInt(before.toSeq) + 1n)
      this.#fault(
        'CHAIN_BROKEN',
        { seal: number },
        `the seal ${number} begins at ${fromSeq}, not behind ${before.toSeq}`,
      );
    this.#seals += 1;
    this.#first ??= seal;
    this.#last = seal;
    if (seal.removedAt !== null && !mayBeRemoved(seal))
      this.#fault(
        'SEAL_CHANGED',
        { seal: number },
        `the entries of the seal ${number} were not removed for their age: they were not old enough at ${seal.removedAt}`,
      );
    const intact =
      hashOfSeal(seal) === hash &&
      (seal.manifest === null
        ? seal.removedAt !== null
        : sha256(seal.manifest) === seal.manifestHash);
    if (!intact)
      this.#fault(
        'SEAL_CHANGED',
        { seal: number },
        `the seal ${number} was changed: its entries cannot be judged by it`,
      );
    this.#awaited = intact ? readManifest(seal.manifest ?? '') : null;
    if (seal.removedAt !== null) {
      const { seals, entries } = this.#removed;
      this.#removed = { seals: seals + 1, entries: entries + seal.entries, toSeq };
    }
  }

  /** To be told of each entry in the order of positions, behind the seal whose range it is in, or behind all. */
  entry(entry: SealedEntry, userId: string | null = null): void {
    const { id, seq } = entry;
    const seal = this.#last;
    if (BigInt(seq) <= this.#position)
      this.#fault(
        'REORDERED',
        { id, seq },
        `the entry ${id} at ${seq} stands behind one at ${this.#position}`,
      );
    else this.#position = BigInt(seq);
    if (!seal || BigInt(seq) > BigInt(seal.toSeq)) {
      this.#endSeal();
      this.#unsealed += 1;
      return;
    }
    this.#entries += 1;
    if (!this.#awaited) return;
    const at = { id, seq, seal: seal.number };
    const sealed = this.#awaited.get(id);
    this.#awaited.delete(id);
    if (!sealed) this.#foundElsewhere(at);
    else if (sealed.seq !== seq)
      this.#fault('REORDERED', at, `the entry ${id} was at ${sealed.seq}, and is at ${seq}`);
    else if (sealed.hash !== hashOfEntry(entry) || (userId !== null && userId !== entry.actorId))
      this.#fault('CHANGED', at, `the entry ${id} at ${seq} is not what was sealed`);
  }

  end(): ChainReport {
    this.#endSeal();
    if (!this.#anchored)
      this.#fault(
        'ANCHOR_MISSING',
        {},
        `no seal has the hash ${this.options.anchor}: the chain was written anew, or its end was cut off`,
      );
    const [first, last] = [this.#first, this.#last];
    return {
      seals: this.#seals,
      entries: this.#entries,
      unsealed: this.#unsealed,
      removed: this.#removed,
      first: first && { number: first.number, previous: first.previous },
      last: last && { number: last.number, hash: last.hash, sealedAt: last.sealedAt },
      faultCount: this.#faultCount,
      faults: this.#faults,
    };
  }

  #endSeal(): void {
    const seal = this.#last?.number;
    for (const [id, { seq }] of this.#awaited ?? []) {
      const known = this.#faults.findIndex((fault) => fault.id === id && fault.kind === 'INSERTED');
      if (known >= 0) this.#faults[known] = moved(id, seq, this.#faults[known]?.seq);
      else
        this.#fault(
          'DELETED',
          { id, seq, seal: String(seal) },
          `the entry ${id} at ${seq} is not there any more`,
        );
    }
    this.#awaited = null;
  }

  /** One that an earlier seal misses has been moved here; any other one has been slipped in. */
  #foundElsewhere(at: { id: string; seq: string; seal: string }): void {
    const known = this.#faults.findIndex(({ id, kind }) => id === at.id && kind === 'DELETED');
    if (known >= 0) this.#faults[known] = moved(at.id, this.#faults[known]?.seq, at.seq);
    else
      this.#fault(
        'INSERTED',
        at,
        `the entry ${at.id} at ${at.seq} was not there when the seal ${at.seal} was made`,
      );
  }

  #fault(kind: FaultKind, where: Omit<Fault, 'kind' | 'message'>, message: string): void {
    this.#faultCount += 1;
    if (this.#faults.length < (this.options.maxFaults ?? 100))
      this.#faults.push({ kind, ...where, message });
  }
}

/** The database removes nothing younger (000020_audit_seals); a moment that is still to come is nobody's. */
const LEAST_AGE_MS = 30 * 24 * 3_600_000;

function mayBeRemoved({ sealedAt, removedAt }: Seal): boolean {
  const at = Date.parse(removedAt ?? '');
  return at - Date.parse(sealedAt) >= LEAST_AGE_MS && at < Date.now() + 24 * 3_600_000;
}

function moved(id: string, from = '?', to = '?'): Fault {
  return {
    kind: 'REORDERED',
    id,
    seq: from,
    message: `the entry ${id} was at ${from}, and is at ${to}`,
  };
}

function readManifest(manifest: string): Map<string, Sealed> {
  const lines = manifest.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [seq = '', id = '', hash = ''] = line.split(' ');
      return [id, { seq, hash }] as const;
    }),
  );
}
