/** How a round goes through its items. */

/**
 * Does `work` for one item after the other, for as long as this instance leads. An item that fails does not keep the others
 * waiting, in this round or in any later one: they have their turn, and only then is the first failure thrown.
 */
export async function inTurn<T>(
  items: readonly T[],
  stillLeading: () => boolean,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const failures: unknown[] = [];
  for (const item of items) {
    if (!stillLeading()) return;
    await work(item).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}
