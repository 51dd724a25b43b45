/** A part of a transaction that can be undone alone. */
import type { Tx } from './client.js';

/**
 * Runs `work`. When it throws, what it wrote is undone, the transaction goes on from where it was before, even when the database
 * refused a statement, and the error is thrown. Row locks that it took are kept until the transaction ends, or given back, as the
 * database likes.
 */
export async function withSavepoint<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await tx.$executeRaw`SAVEPOINT part`;
  try {
    const result = await work();
    await tx.$executeRaw`RELEASE SAVEPOINT part`;
    return result;
  } catch (error) {
    // When the connection is lost, so is the transaction: why `work` failed says more than that.
    await undo(tx).catch(() => {});
    throw error;
  }
}

/** Going back leaves the savepoint where it was: one of the same name would be put on top of it. */
async function undo(tx: Tx): Promise<void> {
  await tx.$executeRaw`ROLLBACK TO SAVEPOINT part`;
  await tx.$executeRaw`RELEASE SAVEPOINT part`;
}
