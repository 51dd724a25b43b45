/**
 * Three instances that share answers in Redis are cut off from Redis and PostgreSQL, die in a COMMIT and stand still, their COMMITs take long, and Redis
 * comes back with what it had saved. Whoever asks any of them sees all that was committed by then.
 */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { randomFrom, seeds } from '../services/model/random.js';
import { Instance, World } from '../support/cache-world.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** MODEL_RUNS makes it more. */
const RUNS = Number(process.env.MODEL_RUNS ?? 30);
const STEPS = 500;
const ALWAYS = 2;

type Event = (world: World, one: Instance, other: Instance) => void;

const write = (one: Instance, takesMs: number): void =>
  void one.write(takesMs).catch(() => undefined);
/** In the middle of what was begun just now. */
const soon = (work: () => void): void => void setTimeout(work, 150);

/** What happens beside reading, and how often. The first are in every run, the others in some: what needs calm beside it is met, too. */
const EVENTS: readonly [number, Event][] = [
  [120, ({ random }, one) => write(one, random.below(20))],
  [16, (_, one) => one.heal()],
  [4, (_, one) => one.cut()],
  [3, ({ random }, one) => write(one, random.below(70_000))],
  [1, (_, one) => one.isolate()],
  [4, ({ random }, one) => one.freeze(500 + random.below(20_000))],
  [4, (world) => world.save()],
  [1, (world) => world.restart()],
  [2, (_, one) => one.die()],
  [
    2,
    ({ random }, one) => {
      write(one, 25_000 + random.below(40_000));
      soon(() => one.die());
    },
  ],
  [
    3,
    (_, one, other) => {
      one.cut();
      other.isolate();
    },
  ],
  [
    3,
    (world, one) => {
      world.save();
      write(one, 2_000 + world.random.below(15_000));
      soon(() => {
        one.cut();
        world.restart();
      });
    },
  ],
];

function happen(world: World, events: typeof EVENTS): void {
  const { instances, random } = world;
  const at = random.below(instances.length);
  const one = instances[at] as Instance;
  const other = instances[(at + 1) % instances.length] as Instance;
  const dice = random.below(1_000);
  const ends = events.map((_, n) =>
    events.slice(0, n + 1).reduce((sum, [share]) => sum + share, 0),
  );
  const event = events[ends.findIndex((end) => dice < end)]?.[1];
  if (event) event(world, one, other);
  else void one.read();
}

it.each(seeds())(
  'nobody is answered with what is older than the last commit (seed %i)',
  async (seed) => {
    let hits = 0;
    const faults: string[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const world = new World(randomFrom(seed + run));
      const events = EVENTS.filter((_, n) => n < ALWAYS || world.random.once(3));
      for (let n = 0; n < 3; n += 1) world.instances.push(new Instance(world));
      for (let n = 0; n < STEPS; n += 1) {
        happen(world, events);
        const { random } = world;
        await vi.advanceTimersByTimeAsync(random.below(random.once(40) ? 12_000 : 250));
      }
      hits += world.hits;
      faults.push(...world.faults.map((fault) => `run ${run}: ${fault}`));
      vi.clearAllTimers();
    }
    expect(faults).toEqual([]);
    expect(hits).toBeGreaterThan(RUNS);
  },
);
