/** Console tickets: one console each, on the machine's own node, within a minute. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashToken } from '../../src/core/tokens.js';
import { ephemeralKeys } from '../../src/ephemeral/keys.js';
import {
  COPY_MS,
  createMachineSite,
  type MachineSite,
  type Place,
} from '../support/machine-site.js';
import { mutate } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import type { Made } from '../support/seed.js';

let site: MachineSite;
let place: Place;
beforeAll(async () => {
  site = await createMachineSite();
  place = await site.place();
});
afterAll(() => site.world.stop());

const issue = (vm: Made, more: object = {}) =>
  site.ask('issueConsoleTicket', { virtualMachineId: vm.id, ...more });
/** The proxy of a node shows a ticket. */
const redeem = (node: Made, { token }: { token: string }, shown: unknown, more: object = {}) =>
  mutate(site.world.withToken(token), 'redeemConsoleTicket', {
    nodeId: node.id,
    token: shown,
    ...more,
  });
const GONE = { code: 'NOT_FOUND', path: ['token'] };

describe('a ticket', () => {
  it('opens the console of its machine, once, and says whose it is', async () => {
    const vm = await site.running(place);
    const ticket = await issue(vm);
    const expiresAt = new Date(site.clock.now().getTime() + 60_000).toISOString();
    expect(ticket).toMatchObject({ display: 'VNC', virtualMachine: { id: vm.id }, expiresAt });
    const dry = { dryRun: true };
    for (const more of [dry, dry, {}])
      expect(await redeem(place.a, place.agentA, ticket.token, more)).toMatchObject({
        virtualMachineId: vm.id,
        display: 'VNC',
        username: 'ada',
      });
    expect(await redeem(place.a, place.agentA, ticket.token)).toMatchObject(GONE);
  });

  it('opens no second one when Redis comes back with what it had saved before', async () => {
    const { token } = await issue(await site.running(place));
    const { ephemeral } = site.world.app.services;
    const key = ephemeralKeys.consoleTicket(hashToken(String(token)));
    const saved = (await ephemeral.get(key)) ?? expect.fail();
    expect(await redeem(place.a, place.agentA, token)).toMatchObject({ display: 'VNC' });
    await ephemeral.set(key, saved, 60_000);
    expect(await redeem(place.a, place.agentA, token)).toMatchObject(GONE);
  });

  it('opens one console although two ask at once', async () => {
    const { token } = await issue(await site.running(place));
    const answers = await Promise.all([1, 2, 3].map(() => redeem(place.a, place.agentA, token)));
    expect(answers.filter(({ code }) => code === undefined)).toHaveLength(1);
    expect(answers.filter(({ code }) => code === 'NOT_FOUND')).toHaveLength(2);
  });

  it('is of use to no other node, and is not spent by one that tries', async () => {
    const { token } = await issue(await site.running(place));
    expect(await redeem(place.b, place.agentB, token)).toMatchObject(GONE);
    expect(await redeem(place.a, place.agentB, token)).toMatchObject({ path: ['nodeId'] });
    expect(await redeem(place.a, place.agentA, 'made-up')).toMatchObject(GONE);
    const mine = { nodeId: place.a.id, token };
    expect(await site.ask('redeemConsoleTicket', mine)).toMatchObject({ code: 'FORBIDDEN' });
    expect(await redeem(place.a, place.agentA, token)).toMatchObject({ display: 'VNC' });
  });

  it('is of no use after a minute', async () => {
    const { token } = await issue(await site.running(place));
    site.clock.advance(60_000);
    expect(await redeem(place.a, place.agentA, token)).toMatchObject(GONE);
  });

  it('is of no use where the machine has been', async () => {
    const vm = await site.running(place);
    const { token } = await issue(vm);
    await site.done('migrateVirtualMachine', { id: vm.id });
    await place.agentA.report();
    site.clock.advance(COPY_MS);
    await place.agentA.report();
    expect(await site.row(vm)).toMatchObject({ nodeId: place.b.uuid });
    for (const [node, agent] of [
      [place.b, place.agentB],
      [place.a, place.agentA],
    ] as const)
      expect(await redeem(node, agent, token)).toMatchObject(GONE);
  });

  it('is shown once, is not kept in the clear, and a dry run makes none', async () => {
    const vm = await site.running(place);
    const { token } = await issue(vm, { idempotencyKey: 'once' });
    expect(token).toEqual(expect.any(String));
    expect(await issue(vm, { idempotencyKey: 'once' })).toMatchObject({ token: null });
    const { ephemeral } = site.world.app.services;
    const kept = await ephemeral.get(ephemeralKeys.consoleTicket(hashToken(String(token))));
    expect(kept).toContain(vm.uuid);
    expect(kept).not.toContain(String(token));
    const rows = await site.world.data.db.$queryRaw<{ n: bigint }[]>`
      SELECT (SELECT count(*) FROM audit_log WHERE details::text LIKE ${`%${String(token)}%`})
        + (SELECT count(*) FROM idempotency_keys WHERE result::text LIKE ${`%${String(token)}%`}) AS n`;
    expect(rows).toEqual([{ n: 0n }]);
    const dry = await issue(vm, { dryRun: true });
    expect(await redeem(place.a, place.agentA, dry.token ?? 'none')).toMatchObject(GONE);
  });
});

describe('a machine without a console', () => {
  it('is off, or has no display; a paused one has one', async () => {
    expect(await issue(await site.machine(place))).toMatchObject({ code: 'INVALID_STATE' });
    const spec = { cpu: { cores: 1 }, memory: { sizeMib: 1024 } };
    const blind = await site.running(place, { spec: { ...spec, display: { type: 'NONE' } } });
    expect(await issue(blind)).toMatchObject({
      code: 'INVALID_STATE',
      message: expect.stringContaining('no display'),
    });
    const vm = await site.running(place, { spec: { ...spec, display: { type: 'SPICE' } } });
    await operate(site.admin, 'PAUSE', vm.id);
    await site.settle(place.agentA);
    expect(await issue(vm)).toMatchObject({ display: 'SPICE' });
  });
});
