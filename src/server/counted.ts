/** How many of something each principal has open in this process. Keeps nothing of those who have none. */
export class Counted {
  readonly #open = new Map<string, number>();

  /** Returns how to give it back (more than once does no harm); null: there are `most` already. */
  take(principal: string, most: number): (() => void) | null {
    const before = this.#open.get(principal) ?? 0;
    if (before >= most) return null;
    this.#open.set(principal, before + 1);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      const left = (this.#open.get(principal) ?? 1) - 1;
      if (left > 0) this.#open.set(principal, left);
      else this.#open.delete(principal);
    };
  }
}
