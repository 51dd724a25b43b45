/** Many pieces of work, a few at a time. */

/** Enough to keep a database busy, too few to keep others from it. */
const WIDTH = 8;

/**
 * Calls `work` for 0, 1, 2 ... below `count`, in this order, a few at once, for as long as `goOn` says so.
 * When one fails no further one begins; those at work end first, then the failure is thrown.
 */
export async function fewAtOnce(
  count: number,
  work: (index: number) => Promise<void>,
  goOn: () => boolean = () => true,
): Promise<void> {
  let next = 0;
  let failure: { readonly cause: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (next < count && !failure && goOn()) {
      const index = next;
      next += 1;
      try {
        await work(index);
      } catch (cause) {
        failure ??= { cause };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, count) }, worker));
  if (failure) throw failure.cause;
}
