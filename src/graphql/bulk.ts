/**
 * `bulk<Operation>`: a command for many objects, by ids or by the filter of their list, with the single mutation's own answer for each.
 * One line declares one: everything else comes from the single mutation, which must have been declared before.
 */
import type { InputFieldMap, InputRef } from '@pothos/core';
import { type BulkAnswer, type BulkMode, executeBulk, MAX_BULK } from '../core/bulk.js';
import { type Command, GATE_ERRORS } from '../core/command.js';
import { audited } from '../core/refusals.js';
import { UserError } from '../errors.js';
import { encodeGlobalId } from '../ids.js';
import { builder } from './builder.js';
import { endCursor, findTargets, type TargetInput } from './bulk-targets.js';
import { errorTypeOf, Refusal } from './errors.js';
import { filterInput } from './filter-input.js';
import type { List } from './list.js';
import { checkKey, checkPlanToken, everyInput, mutationOf } from './mutation.js';
import { type Entities, type Payload, readEntities } from './payload.js';

const Mode = builder.enumType('BulkMode', {
  description: 'What becomes of the others when one is refused.',
  values: {
    ATOMIC: { description: 'All or none: nothing is changed unless everything can be.' },
    BEST_EFFORT: { description: 'Each by itself: what can be done is done.' },
  },
});

interface Item {
  readonly id: string;
  readonly outcome: Payload<object> | Refusal | null;
}

interface BulkPayload {
  readonly results: readonly Item[];
  readonly remaining: number;
  readonly endCursor: string | null;
  readonly dryRun: boolean;
  readonly planToken: string | null;
}

/**
 * @param command has a mutation field already
 * @param list of the objects it is about: its filter is this mutation's
 * @param options `target`: the input that names the object, `id` if not given; `without`: inputs that many objects cannot share
 */
export function bulkField<R extends object>(
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: the input's type is the command's own affair
  command: Command<any, R>,
  list: List,
  {
    description,
    target = 'id',
    without = [],
  }: {
    readonly description: string;
    readonly target?: string;
    readonly without?: readonly string[];
  },
): void {
  const Name = name.charAt(0).toUpperCase() + name.slice(1);
  const { type } = list.entity;
  const single = mutationOf<R>(command);

  const Input = builder.inputType(`${Name}Input`, {
    description: `What ${name} needs: either ids or a filter.`,
    fields: (t) => ({
      ...targetInput(t, filterInput(list)),
      ...shared(single.input(t as never), [target, 'expectedVersion', ...without]),
      ...everyInput(
        t,
        'Repeating a request with its key within 24 hours keeps to the same objects, answers as the first time for those that were done, and does the rest.',
      ),
    }),
  });

  const ItemType = builder.objectRef<Item>(`${Name}Item`).implement({
    description: `What ${name} did to one object.`,
    fields: (t) => ({
      id: t.exposeID('id', { description: 'The object.' }),
      outcome: t.field({
        type: single.result,
        nullable: true,
        description:
          'The answer for this object alone. Null: nothing was done to it, because the time was over, because ATOMIC was refused for others, or because this repeats a call with a plan token that had refused it.',
        resolve: (item) => item.outcome as never,
      }),
    }),
  });

  const PayloadType = builder.objectRef<BulkPayload>(`${Name}Payload`).implement({
    description: `What ${name} did.`,
    isTypeOf: (value) => !(value instanceof Refusal),
    fields: (t) => ({
      results: t.field({
        type: [ItemType],
        description: 'One for each object, in the order of `ids`; by filter, the oldest first.',
        resolve: ({ results }) => [...results],
      }),
      succeededCount: t.int({
        description: 'For how many it was done, or was so already.',
        resolve: ({ results }) =>
          results.filter(({ outcome }) => outcome && !(outcome instanceof Refusal)).length,
      }),
      failedCount: t.int({
        description: 'For how many it was refused.',
        resolve: ({ results }) => results.filter((r) => r.outcome instanceof Refusal).length,
      }),
      remainingCount: t.exposeInt('remaining', {
        description:
          'How many are left: those without outcome, and what the filter found beyond the most that one call takes on.',
      }),
      endCursor: t.exposeString('endCursor', {
        nullable: true,
        description:
          'Pass it as `after`, with the same filter, to go on with what is left; where this call began when ATOMIC was refused. Null by ids: name those that have no outcome.',
      }),
      dryRun: t.exposeBoolean('dryRun', {
        description: 'True: nothing was written; this is what would have been.',
      }),
      planToken: t.exposeString('planToken', {
        nullable: true,
        description:
          'Of a dry run: send it with the same input to have exactly this done to exactly these objects, in one transaction, or nothing. Null otherwise, when ATOMIC would be refused, and when the time was over before the end.',
      }),
    }),
  });

  const Result = builder.unionType(`${Name}Result`, {
    description: `The answer of ${name}. An error is about the request as a whole.`,
    types: [PayloadType, ...GATE_ERRORS.map(errorTypeOf)] as never,
  });

  const at = {
    steps: [{ name: 'results', type: `${Name}Payload` }, { name: 'outcome' }],
    type: single.payloadType,
  };

  builder.mutationField(name, (t) =>
    t.field({
      type: Result,
      description,
      extensions: { command },
      authScopes: { signedIn: true },
      args: { input: t.arg({ type: Input, required: true, description: 'What to do to which.' }) },
      resolve: async (_root, args, context, info) => {
        const asked = args.input as TargetInput & Record<string, unknown>;
        const {
          dryRun: dry,
          idempotencyKey,
          planToken,
          ids,
          filter,
          after,
          mode,
          ...fields
        } = asked;
        const dryRun = dry === true;
        const targets = { ids, filter, after } as TargetInput;
        try {
          const answer = await executeBulk<R, Entities>(command, context, {
            mode: (mode as BulkMode | null) ?? 'BEST_EFFORT',
            dryRun,
            idempotencyKey: await audited(command, context, dryRun, () => checkKey(idempotencyKey)),
            planToken: await audited(command, context, dryRun, () => checkPlanToken(planToken)),
            asked: { ids, filter, after, mode, ...fields },
            target: { field: target, type },
            fields,
            resolve: () => findTargets(list, targets, context),
            view: (db, results) => readEntities(db, results, single.entities, at, context, info),
          });
          return show(answer, dryRun) as never;
        } catch (error) {
          if (error instanceof UserError) return new Refusal(error) as never;
          throw error;
        }

        function show(answer: BulkAnswer<R, Entities>, dryRun: boolean): BulkPayload {
          const results = answer.ids.map((id, i): Item => {
            const outcome = answer.outcomes[i] ?? null;
            const shown =
              outcome && 'answer' in outcome
                ? {
                    result: outcome.answer.result,
                    dryRun,
                    entities: outcome.answer.view,
                    effects: outcome.answer.effects,
                  }
                : outcome && new Refusal(outcome.error);
            return { id: encodeGlobalId(type, id), outcome: shown };
          });
          const refused = results.some(({ outcome }) => outcome instanceof Refusal);
          const nothingDone = mode === 'ATOMIC' && refused;
          const settled = results.map(({ outcome }) => outcome !== null && !nothingDone);
          return {
            results,
            remaining: answer.beyond + results.filter(({ outcome }) => outcome === null).length,
            endCursor: endCursor(list, targets, answer.ids, settled),
            dryRun,
            planToken: answer.planToken ?? null,
          };
        }
      },
    }),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: the builder of any input's fields
function targetInput(t: any, filter: InputRef<unknown>): InputFieldMap {
  return {
    ids: t.idList({
      description: `The objects, 1 to ${MAX_BULK}; one that is named twice is meant once.`,
    }),
    filter: t.field({
      type: filter,
      description: `Those that match and that you may see, the oldest first, ${MAX_BULK} at most; at least one condition.`,
    }),
    after: t.string({
      description:
        'With `filter`: only what follows this cursor, the `endCursor` of a call before.',
    }),
    mode: t.field({
      type: Mode,
      defaultValue: 'BEST_EFFORT',
      description: 'What becomes of the others when one is refused.',
    }),
  };
}

/** What the single mutation takes beyond the object: what holds for all of them. A version would be that of one. */
function shared(fields: InputFieldMap, apart: readonly string[]): InputFieldMap {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !apart.includes(name)));
}
