/**
 * Who wants to know at once when a credential may have ended, or its owner may have other rights: subscriptions and sockets. Told of by
 * hints, whichever instance the change was made on: `{ type: 'Session', id }` of a session that has ended, `{ type: 'User', id }` of a user
 * who changed, a membership under its user's id. What it has become, the listener has to ask.
 */
export class CredentialWatch {
  readonly #listeners = new Map<string, Set<() => void>>();

  /**
   * @param ids of the credential, and of whose it is
   * @returns how to stop listening
   */
  listen(ids: readonly string[], listener: () => void): () => void {
    const own = (): void => listener();
    for (const id of ids) {
      const known = this.#listeners.get(id) ?? new Set();
      this.#listeners.set(id, known.add(own));
    }
    return () => {
      for (const id of ids) {
        const known = this.#listeners.get(id);
        known?.delete(own);
        if (known?.size === 0) this.#listeners.delete(id);
      }
    };
  }

  tell(id: string): void {
    for (const listener of this.#listeners.get(id) ?? []) listener();
  }
}
