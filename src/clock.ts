/** The one source of time. Rules never read it: they are given `now`. */
export interface Clock {
  /** Wall-clock time, for what people read and the database keeps. */
  now(): Date;
  /** Milliseconds that only ever rise, for durations and deadlines; unrelated to the wall clock. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
};
