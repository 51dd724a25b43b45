/** Changing the settings that all instances share. */
import { z } from 'zod';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import type { Call } from '../../core/context.js';
import { NotFoundError } from '../../errors.js';
import { changeSetting, LOCK, type SettingChange, undoChange } from './change.js';
import { PERMISSION, RESOURCE_TYPE, type ShownSetting } from './queries.js';

/** Long after this every instance has heard of it. */
const HEARD_MS = 1_000;

const key = z.string().max(100, 'must have at most 100 characters');
/** 0: never set. */
const expectedVersion = z.number().int().min(0).nullish();

const gate = {
  resourceType: RESOURCE_TYPE,
  permission: PERMISSION,
  errors: [NotFoundError],
  lock: () => [LOCK],
  label: (input: { key: string }) => input.key,
  /** Written already: what is left is to audit it. */
  async run(
    { prepared }: RunContext<SettingChange>,
    _input: unknown,
  ): Promise<Outcome<{ setting: ShownSetting }>> {
    const { key: id, before, after, shown } = prepared;
    return {
      result: { setting: shown },
      changed: [{ type: RESOURCE_TYPE, id, name: id, before, after }],
    };
  },
  /** Whoever reads next on this instance sees the new value. */
  async after({ services }: Call, _result: unknown, { revision }: SettingChange): Promise<void> {
    await services.settings.heard(revision, HEARD_MS);
  },
} as const;

export const setSystemConfig = defineCommand({
  ...gate,
  name: 'systemConfig.set',
  input: z.object({
    key,
    value: z.string().max(1000, 'must have at most 1,000 characters'),
    expectedVersion,
  }),
  beside: { write: changeSetting, undo: undoChange },
});

export const resetSystemConfig = defineCommand({
  ...gate,
  name: 'systemConfig.reset',
  input: z.object({ key, expectedVersion }),
  beside: {
    write: (call, input, dryRun) => changeSetting(call, { ...input, value: null }, dryRun),
    undo: undoChange,
  },
});
