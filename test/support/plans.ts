/** Which queries Prisma plans: its planner blocks the whole process for up to some milliseconds, and what it has planned is kept. */
import { vi } from 'vitest';

/** Where the client loads it from as well. */
const PLANNER = '@prisma/client/runtime/query_compiler_fast_bg.postgresql.mjs';

interface Planner {
  readonly QueryCompiler: { readonly prototype: Record<'compile' | 'compileBatch', Plan> };
}
type Plan = (query: string) => unknown;

/** @returns of each query that was planned meanwhile, model and action; 'batch' of several together */
export async function plannedBy(work: () => Promise<unknown>): Promise<string[]> {
  const { QueryCompiler } = (await import(PLANNER)) as Planner;
  const single = vi.spyOn(QueryCompiler.prototype, 'compile');
  const batch = vi.spyOn(QueryCompiler.prototype, 'compileBatch');
  try {
    await work();
    const names = single.mock.calls.map(([query]) => {
      const { modelName, action } = JSON.parse(query) as Record<string, string>;
      return `${modelName}.${action}`;
    });
    return [...names, ...batch.mock.calls.map(() => 'batch')];
  } finally {
    single.mockRestore();
    batch.mockRestore();
  }
}
