/** What runs the controllers: only while this instance leads, again after a failure, and not any more once stopped. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Controller, startControllers } from '../../src/controllers/runner.js';
import type { Leadership } from '../../src/coordination/coordination.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { until } from '../support/until.js';

let world: TestApp;
beforeAll(async () => {
  world = await createTestApp();
});
afterAll(() => world.stop());

function counting(name: string, work: (round: number) => void = () => undefined) {
  let rounds = 0;
  const controller: Controller = {
    name,
    intervalMs: 1,
    async run() {
      rounds += 1;
      work(rounds);
    },
  };
  return { controller, rounds: () => rounds };
}

const termWith = (fencingToken: bigint): Leadership => ({
  fencingToken,
  cluster: 'a test',
  valid: () => true,
  end: () => undefined,
  disavow: async () => false,
});

async function runsOf(name: string, outcome: string): Promise<number> {
  const { values } = await world.app.services.metrics.controllerRuns.get();
  const found = values.find((v) => v.labels.controller === name && v.labels.outcome === outcome);
  return found?.value ?? 0;
}

describe('a controller', () => {
  it('runs round after round until it is stopped, and is counted', async () => {
    const { controller, rounds } = counting('steady');
    const runner = startControllers(world.app.services, [controller]);
    await until('five rounds', () => rounds() >= 5);
    await runner.stop();
    const ended = rounds();
    expect(await runsOf('steady', 'ok')).toBe(ended);
    const { controller: other, rounds: others } = counting('other');
    const second = startControllers(world.app.services, [other]);
    await until('five rounds of another one', () => others() >= 5);
    await second.stop();
    expect(rounds()).toBe(ended);
  });

  it('that fails is run again', async () => {
    const { controller, rounds } = counting('shaky', (round) => {
      if (round <= 2) throw new Error('not yet');
    });
    const runner = startControllers(world.app.services, [controller]);
    await until('four rounds', () => rounds() >= 4);
    await runner.stop();
    expect(await runsOf('shaky', 'failed')).toBe(2);
  });

  it('does not run while another instance leads, and begins when this one does', async () => {
    const { coordination } = world.app.services;
    let asked = 0;
    const leads = vi.spyOn(coordination, 'leadership').mockImplementation(() => {
      asked += 1;
      return null;
    });
    const { controller, rounds } = counting('follower');
    const runner = startControllers(world.app.services, [controller]);
    await until('it asked who leads', () => asked >= 5);
    expect(rounds()).toBe(0);
    leads.mockRestore();
    await until('a round', () => rounds() >= 1);
    await runner.stop();
  });

  it('is told since when its term lasts, anew for each term', async () => {
    const { coordination } = world.app.services;
    let term = termWith(7n);
    const leads = vi.spyOn(coordination, 'leadership').mockImplementation(() => term);
    const since: number[] = [];
    const runner = startControllers(world.app.services, [
      {
        name: 'terms',
        intervalMs: 1,
        async run(_services, _stillLeading, _signal, leadingSince) {
          since.push(leadingSince.getTime());
        },
      },
    ]);
    await until('three rounds', () => since.length >= 3);
    const [first] = since;
    expect(new Set(since).size).toBe(1);
    await until('the clock has moved on', () => Date.now() > (first ?? 0));
    term = termWith(8n);
    await until('a round of the next term', () => since.at(-1) !== first);
    await runner.stop();
    leads.mockRestore();
    expect(since.at(-1)).toBeGreaterThan(first ?? 0);
  });

  it('is told in the middle of a round that its term is over', async () => {
    const { coordination } = world.app.services;
    let valid = true;
    const term = { ...termWith(9n), valid: () => valid };
    const leads = vi.spyOn(coordination, 'leadership').mockImplementation(() => term);
    const said: boolean[] = [];
    const runner = startControllers(world.app.services, [
      {
        name: 'deposed',
        intervalMs: 1,
        async run(_services, stillLeading) {
          said.push(stillLeading());
          valid = false;
          said.push(stillLeading());
        },
      },
    ]);
    await until('a round', () => said.length > 0);
    await runner.stop();
    leads.mockRestore();
    expect(said).toEqual([true, false]);
  });
});
