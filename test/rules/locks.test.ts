/** Every change is guarded by a lock, or says why it is not. */
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Target } from '../../src/core/command.js';
import { type Command, defineCommand, errorsOf } from '../../src/core/command.js';
import { locksOf, nameLock } from '../../src/core/locks.js';
import { BusyError } from '../../src/errors.js';

const MODULES = new URL('../../src/modules/', import.meta.url);
const commands: Command[] = [];

const isCommand = (value: unknown): value is Command =>
  typeof value === 'object' && value !== null && 'resourceType' in value && 'run' in value;

beforeAll(async () => {
  const files = readdirSync(MODULES, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => /commands?\.ts$/.test(name)))
    commands.push(...Object.values(await import(new URL(file, MODULES).href)).filter(isCommand));
});

/** Each with the reason that its declaration gives; another one is to be talked about. */
const UNLOCKED = [
  'apiToken.create',
  'node.enrol',
  'node.redeemConsoleTicket',
  'node.report',
  'session.revokeOthers',
  'user.changePassword',
  'user.login',
  'user.logout',
  'virtualMachine.issueConsoleTicket',
];

/** What they claim is no name of their own kind. */
const WITHOUT_NAME_LOCK = [
  'apiToken.create',
  'enrolmentToken.create',
  'snapshot.create',
  'securityRule.create',
];
const CREATION = /\.(create|register|raise)$/;

describe('every command of the modules', () => {
  it('holds a lock, but for those few that say why not', () => {
    expect(commands.length).toBeGreaterThan(80);
    const unlocked = commands.filter((command) => command.unlocked !== undefined);
    expect(unlocked.map(({ name }) => name).sort()).toEqual(UNLOCKED);
    for (const { name, unlocked: why = '' } of unlocked)
      expect(why.length, name).toBeGreaterThan(30);
  });

  it('can answer that somebody else is at work, exactly if it holds one', () => {
    for (const command of commands)
      expect(errorsOf(command).has(BusyError), command.name).toBe(command.unlocked === undefined);
  });

  it('locks the name that it claims, if it creates something, and not all that it creates it in', () => {
    const creations = commands.filter(({ name }) => CREATION.test(name));
    expect(creations.length).toBeGreaterThan(11);
    const without = creations.filter(({ lock }) => !lock).map(({ name }) => name);
    expect(without.sort()).toEqual([...WITHOUT_NAME_LOCK].sort());
  });
});

const spec = {
  name: 'thing.change',
  resourceType: 'Thing',
  permission: null,
  input: z.object({ id: z.string() }),
  errors: [],
  run: async () => ({ result: {}, changed: [] }),
};
const target = (model: string) => (input: { id: string }) =>
  ({ entity: { model }, id: input.id }) as unknown as Target;

describe('a declaration', () => {
  it('without a subject, a lock or a reason is none', () => {
    expect(() => defineCommand(spec)).toThrow('thing.change locks nothing, and does not say why');
    const both = { ...spec, lock: () => ['thing/1'], unlocked: 'it has a reason' };
    expect(() => defineCommand(both)).toThrow('thing.change locks something, or it does not');
  });

  it('that names a subject locks that, unless it says otherwise', () => {
    const subject = target('node');
    expect(locksOf(defineCommand({ ...spec, subject }), { id: '1' })).toEqual(['node/1']);
    const lock = () => ['a', 'b'];
    expect(locksOf(defineCommand({ ...spec, subject, lock }), { id: '1' })).toEqual(['a', 'b']);
    const free = defineCommand({ ...spec, subject, unlocked: 'it has a reason' });
    expect(locksOf(free, { id: '1' })).toEqual([]);
  });

  it('whose subject is nothing this time is a bug, not a change without a lock', () => {
    const command = defineCommand({ ...spec, subject: () => null });
    expect(() => locksOf(command, { id: '1' })).toThrow('thing.change was given nothing to lock');
  });
});

it('a name is locked within the object in which it must be the only one', () => {
  const entity = { model: 'image' } as const;
  expect(nameLock(entity, 'debian')).not.toBe(nameLock(entity, 'debian', 'a-project'));
  expect(nameLock(entity, 'debian', 'a-project')).not.toBe(nameLock(entity, 'alpine', 'a-project'));
});
