/** A database that has one table, `unheard_instances`, and transactions that write; for clocks of tests. */
import type { Data } from '../../src/data/client.js';

export interface UnheardTable {
  /** As one instance sees it. Each statement takes as long as `latency` says and may fail by it; what it does, it does in the middle. */
  open(
    latency?: () => Promise<void>,
  ): Pick<Data, 'kind' | 'db' | 'available'> & { kind: Data['kind'] };
  readonly rows: ReadonlyMap<string, { readonly address: string; readonly beat: bigint }>;
  /** Ids of those that write now. */
  readonly transactions: Set<string>;
}

export function unheardTable(): UnheardTable {
  const rows = new Map<string, { address: string; beat: bigint }>();
  const transactions = new Set<string>();

  function run(sql: string, [id, other]: readonly unknown[]): unknown[] | number {
    const key = String(id);
    if (sql.includes('INSERT')) {
      const beat = (rows.get(key)?.beat ?? 0n) + 1n;
      rows.set(key, { address: String(other), beat });
      return [{ beat }];
    }
    if (sql.includes('DELETE'))
      return other === undefined || rows.get(key)?.beat === other ? Number(rows.delete(key)) : 0;
    return [
      ...[...rows].map(([one, { address, beat }]) => ({
        ...{ kind: 'instance', id: one, place: address, beat },
      })),
      ...[...transactions].map((one) => ({ kind: 'transaction', id: one, place: '7', beat: 0n })),
    ];
  }

  return {
    rows,
    transactions,
    open(latency = async () => {}) {
      const send = async ({ raw }: TemplateStringsArray, ...values: unknown[]) => {
        await latency();
        const answer = run(raw.join('?'), values);
        await latency();
        return answer;
      };
      return {
        kind: 'postgres',
        available: true,
        db: { $queryRaw: send, $executeRaw: send } as never,
      };
    },
  };
}
