/**
 * Tickets to the console of a machine: a caller asks for one, and the console proxy of the machine's node redeems it, once.
 * They live in what may be lost, under a hash: whoever reads that store cannot use them.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { defineCommand } from '../../core/command.js';
import type { Call } from '../../core/context.js';
import { claimKey } from '../../core/idempotency.js';
import { idOf } from '../../core/input.js';
import { hashToken } from '../../core/tokens.js';
import { readForEdit } from '../../core/versioned.js';
import { ephemeralKeys, ephemeralTtlMs } from '../../ephemeral/keys.js';
import { InvalidStateError, NotFoundError, UnavailableError } from '../../errors.js';
import type { VirtualMachine } from '../../gen/client/client.js';
import { encodeGlobalId } from '../../ids.js';
import { NodeEntity } from '../node/queries.js';
import { VirtualMachineEntity } from './queries.js';
import { allowedOperations } from './rules.js';
import { readSpec } from './spec.js';

interface Ticket {
  readonly virtualMachineId: string;
  readonly nodeId: string;
  readonly display: string;
  readonly userId: string | null;
  readonly username: string;
  /** The store forgets it then, sooner or later; this is what counts. */
  readonly expiresAt: string;
}

export const issueConsoleTicket = defineCommand({
  name: 'virtualMachine.issueConsoleTicket',
  resourceType: 'VirtualMachine',
  permission: 'vm:console',
  subject: (input: { virtualMachineId: string }) => ({
    entity: VirtualMachineEntity,
    id: input.virtualMachineId,
    path: ['virtualMachineId'],
  }),
  input: z.object({ virtualMachineId: idOf('VirtualMachine') }),
  errors: [InvalidStateError],
  unlocked: "it changes no row, and tickets do not get in each other's way",
  async prepare({ services }) {
    // A ticket that only this instance knows might never reach the console proxy.
    if (services.ephemeral.degraded)
      throw new UnavailableError('Consoles need Redis, which does not answer at the moment.');
    return { token: randomBytes(32).toString('base64url') };
  },
  async run({ tx, now, prepared }, { virtualMachineId }) {
    const vm = await readForEdit<VirtualMachine>(tx, VirtualMachineEntity, virtualMachineId);
    const display = readSpec(vm.spec)?.display?.type ?? 'VNC';
    const shown = vm.powerState === 'RUNNING' || vm.powerState === 'PAUSED';
    if (!shown || !vm.nodeId || display === 'NONE') {
      const why = display === 'NONE' ? 'It has no display.' : 'Start it first.';
      throw new InvalidStateError('CONSOLE', vm.powerState, allowedOperations(vm.powerState), why);
    }
    const expiresAt = new Date(now.getTime() + ephemeralTtlMs.consoleTicket).toISOString();
    return {
      result: {
        virtualMachineId,
        nodeId: vm.nodeId,
        display: display as string,
        expiresAt,
        token: null as string | null,
      },
      once: { token: prepared.token },
      changed: [],
    };
  },
  async after(
    { services, viewer }: Call,
    { virtualMachineId, nodeId, display, expiresAt },
    { token },
  ) {
    const kept: Ticket = {
      virtualMachineId,
      nodeId,
      display,
      expiresAt,
      userId: viewer?.userId ?? null,
      username: viewer?.name ?? '',
    };
    const key = ephemeralKeys.consoleTicket(hashToken(token));
    await services.ephemeral.set(key, JSON.stringify(kept), ephemeralTtlMs.consoleTicket);
  },
});

/** For the principal in the table of keys; no caller is called so. */
const USED = 'console-ticket';

/**
 * For the console proxy of a node, which signs in as the node's agent. Whoever deletes the ticket has it: it opens one console.
 * That it was used is a row as well: a Redis that is killed comes back with what it had saved, used tickets among it.
 */
export const redeemConsoleTicket = defineCommand({
  name: 'node.redeemConsoleTicket',
  resourceType: 'HypervisorNode',
  permission: 'node:report',
  subject: (input: { nodeId: string }) => ({
    entity: NodeEntity,
    id: input.nodeId,
    path: ['nodeId'],
  }),
  input: z.object({ nodeId: idOf('HypervisorNode'), token: z.string().min(1).max(128) }),
  errors: [],
  unlocked: 'whoever deletes the ticket has it, and one row says that it was used',
  async prepare({ services }: Call, { nodeId, token }, dryRun) {
    const key = ephemeralKeys.consoleTicket(hashToken(token));
    const text = await services.ephemeral.get(key);
    const kept = text === null ? null : (JSON.parse(text) as Ticket);
    if (kept?.nodeId !== nodeId || new Date(kept.expiresAt) <= services.clock.now()) return null;
    return dryRun || (await services.ephemeral.delete(key)) ? kept : null;
  },
  async run({ tx, prepared, now }, { nodeId, token }) {
    const vm =
      prepared &&
      (await tx.virtualMachine.findFirst({ where: { id: prepared.virtualMachineId, nodeId } }));
    const hash = hashToken(token);
    const use = { principal: USED, key: hash, command: 'node.redeemConsoleTicket', hash };
    if (!prepared || !vm || (await claimKey(tx, use, now)) !== null)
      throw new NotFoundError('ConsoleTicket', ['token']);
    return {
      result: {
        virtualMachineId: encodeGlobalId('VirtualMachine', vm.id),
        display: prepared.display,
        username: prepared.username,
      },
      changed: [],
    };
  },
});
