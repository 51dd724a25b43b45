/** Questions that are being answered at this moment: whoever asks the same waits for that answer instead of asking once more. */

export interface Flight {
  /** The answer's data; null when there was none to share: then everybody finds it alone. Never rejects. */
  readonly landed: Promise<string | null>;
  /** Only the first call counts. */
  land(data: string | null): void;
}

/** More are not kept track of; they are answered each by itself. */
const MAX_FLIGHTS = 1_000;

export class Flights {
  readonly #open = new Map<string, Flight>();

  find(key: string): Flight | undefined {
    return this.#open.get(key);
  }

  /** `giveUpMs`: after this it lands empty by itself, whatever became of the one who began it. */
  begin(key: string, giveUpMs: number): Flight | undefined {
    if (this.#open.size >= MAX_FLIGHTS || this.#open.has(key)) return undefined;
    let resolve: (data: string | null) => void = () => {};
    const landed = new Promise<string | null>((done) => {
      resolve = done;
    });
    const timer = setTimeout(() => flight.land(null), giveUpMs).unref();
    const flight: Flight = {
      landed,
      land: (data) => {
        clearTimeout(timer);
        if (this.#open.get(key) === flight) this.#open.delete(key);
        resolve(data);
      },
    };
    this.#open.set(key, flight);
    return flight;
  }
}
