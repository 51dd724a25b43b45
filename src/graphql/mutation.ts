/**
 * Turns a command into a mutation field: `name(input: NameInput!): NameResult!`,
 * a union of `NamePayload` and the errors that the command declares. Expected errors become members of the union;
 * everything else goes on to the top level. Every input takes `dryRun`, `planToken` and `idempotencyKey`.
 */
import type { FieldMap, InputFieldMap, ObjectRef } from '@pothos/core';
import { type Command, errorsOf } from '../core/command.js';
import { execute } from '../core/execute.js';
import { audited } from '../core/refusals.js';
import { UserError, ValidationError } from '../errors.js';
import { builder, type SchemaTypes } from './builder.js';
import { effectFields } from './effects.js';
import { errorTypeOf, Refusal } from './errors.js';
import { type EntityField, type Payload, readEntities } from './payload.js';

type Types = PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>;
type InputFields = (t: PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>) => InputFieldMap;
type PayloadFields<R> = (t: PothosSchemaTypes.ObjectFieldBuilder<Types, Payload<R>>) => FieldMap;

export interface MutationOptions<R> {
  readonly description: string;
  readonly input: InputFields;
  readonly entities?: Readonly<Record<string, EntityField<R>>>;
  readonly fields?: PayloadFields<R>;
}

/** What another field needs to answer as this one does. */
export interface MadeMutation<R> {
  // biome-ignore lint/suspicious/noExplicitAny: a union's ref, whose members are made from data
  readonly result: ObjectRef<any, any>;
  readonly payloadType: string;
  readonly entities: readonly [string, EntityField<R>][];
  readonly input: InputFields;
}

const MAX_KEY = 128;
const MAX_PLAN_TOKEN = 100;
const made = new Map<unknown, MadeMutation<never>>();

/** The mutation field of a command. Throws when it has none (yet): a slip in the order of imports. */
export function mutationOf<R extends object>(command: { readonly name: string }): MadeMutation<R> {
  const known = made.get(command);
  if (!known) throw new Error(`${command.name} has no mutation field`);
  return known as unknown as MadeMutation<R>;
}

export function mutationField<R extends object>(
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: the input's type is the command's own affair
  command: Command<any, R>,
  options: MutationOptions<R>,
): void {
  const Name = name.charAt(0).toUpperCase() + name.slice(1);
  const entities = Object.entries(options.entities ?? {});

  const Input = builder.inputType(`${Name}Input`, {
    description: `What ${name} needs.`,
    fields: (t) => ({
      ...options.input(t as never),
      ...everyInput(
        t,
        'Repeating a request with its key within 24 hours answers as the first time instead of doing it twice.',
      ),
    }),
  });

  const PayloadType = builder.objectRef<Payload<R>>(`${Name}Payload`).implement({
    description: `What ${name} did.`,
    isTypeOf: (value) => !(value instanceof Refusal),
    fields: (t) => ({
      ...Object.fromEntries(
        entities.map(([field, { entity, description }]) => [
          field,
          t.field({
            type: entity.type as never,
            nullable: true,
            description,
            resolve: (payload: Payload<R>) => (payload.entities[field] ?? null) as never,
          }),
        ]),
      ),
      ...(options.fields?.(t as never) as object),
      ...effectFields(t),
      dryRun: t.exposeBoolean('dryRun', {
        description: 'True: nothing was written; this is what would have been.',
      }),
      planToken: t.exposeString('planToken', {
        nullable: true,
        description:
          'Of a dry run: send it with the same input to have exactly this done. Null otherwise, and for each object of a bulk mutation, which has one for all.',
      }),
    }),
  });

  const errors = [...errorsOf(command)].map(errorTypeOf);
  const Result = builder.unionType(`${Name}Result`, {
    description: `The answer of ${name}.`,
    types: [PayloadType, ...errors] as never,
  });
  made.set(command, {
    result: Result as never,
    payloadType: `${Name}Payload`,
    entities: entities as never,
    input: options.input,
  });

  builder.mutationField(name, (t) =>
    t.field({
      type: Result,
      description: options.description,
      extensions: { command },
      ...(command.permission === null ? {} : { authScopes: scopeOf(command) }),
      args: { input: t.arg({ type: Input, required: true, description: 'What to do.' }) },
      resolve: async (_root, args, context, info) => {
        const { dryRun, idempotencyKey, planToken, ...input } = args.input as Record<
          string,
          unknown
        >;
        try {
          const tokens = await audited(command, context, dryRun === true, () => ({
            idempotencyKey: checkKey(idempotencyKey),
            planToken: checkPlanToken(planToken),
          }));
          const answer = await execute(command, input, context, {
            dryRun: dryRun === true,
            ...tokens,
            view: async (tx, result) => {
              const at = { steps: [], type: `${Name}Payload` };
              const [view] = await readEntities(tx, [result as R], entities, at, context, info);
              return view ?? {};
            },
          });
          const { result, effects, view, planToken: token } = answer;
          const shown = { result, effects, planToken: token, entities: view };
          return { ...shown, dryRun: dryRun === true } as never;
        } catch (error) {
          if (error instanceof UserError) return new Refusal(error) as never;
          throw error;
        }
      },
    }),
  );
}

const scopeOf = (command: { readonly beforePasswordChange?: boolean }) =>
  command.beforePasswordChange ? { known: true } : { signedIn: true };

/** The inputs that every mutation takes. */
// biome-ignore lint/suspicious/noExplicitAny: the builder of any input's fields
export function everyInput(t: any, onRepeat: string): InputFieldMap {
  return {
    dryRun: t.boolean({
      description: 'Do everything, show the answer, then undo it: nothing is written.',
    }),
    idempotencyKey: t.string({
      description: `Up to ${MAX_KEY} characters of your choice. ${onRepeat}`,
    }),
    planToken: t.string({
      description: `The token of a dry run of yours with the same input: exactly what that one showed is done, or nothing (\`PLAN_STALE\`). With \`dryRun\`: says whether the plan still holds. Up to ${MAX_PLAN_TOKEN} characters.`,
    }),
  };
}

/** Throws ValidationError when it is none. */
export function checkKey(key: unknown): string | null {
  if (key === null || key === undefined) return null;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,128}$/.test(key)) return key;
  throw ValidationError.of(
    ['idempotencyKey'],
    `must have 1 to ${MAX_KEY} visible ASCII characters`,
  );
}

/** Throws ValidationError when it is none. That it is nobody's is told as that it is stale. */
export function checkPlanToken(token: unknown): string | null {
  if (token === null || token === undefined) return null;
  if (typeof token === 'string' && token.length > 0 && token.length <= MAX_PLAN_TOKEN) return token;
  throw ValidationError.of(['planToken'], `must have 1 to ${MAX_PLAN_TOKEN} characters`);
}
