/**
 * Turns a command into a mutation field: `name(input: NameInput!): NameResult!`,
 * a union of `NamePayload` and the errors that the command declares. Expected errors become members of the union;
 * everything else goes on to the top level. Every input takes `dryRun` and `idempotencyKey`.
 */
import type { FieldMap, InputFieldMap } from '@pothos/core';
import { queryFromInfo } from '@pothos/plugin-prisma';
import type { GraphQLResolveInfo } from 'graphql';
import { COMMON_ERRORS, type Command } from '../core/command.js';
import { delegateOf, type Entity } from '../core/entity.js';
import { execute } from '../core/execute.js';
import type { Tx } from '../data/client.js';
import { UserError, ValidationError } from '../errors.js';
import { builder, type GraphQLContext, type SchemaTypes } from './builder.js';
import { errorTypeOf, Refusal } from './errors.js';

type Types = PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>;
type InputFields = (t: PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>) => InputFieldMap;
type PayloadFields<R> = (t: PothosSchemaTypes.ObjectFieldBuilder<Types, Payload<R>>) => FieldMap;

export interface Payload<R> {
  readonly result: R;
  readonly dryRun: boolean;
  /** Entities read inside the transaction, by payload field. */
  readonly entities: Readonly<Record<string, object | null>>;
}

/** A payload field that shows an entity: where its id stands in the command's result. */
export interface EntityField<R> {
  readonly entity: Entity;
  readonly description: string;
  readonly id: (result: R) => string | null | undefined;
}

export interface MutationOptions<R> {
  readonly description: string;
  readonly input: InputFields;
  readonly entities?: Readonly<Record<string, EntityField<R>>>;
  readonly fields?: PayloadFields<R>;
}

const MAX_KEY = 128;

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
      dryRun: t.boolean({
        description: 'Do everything, show the answer, then undo it: nothing is written.',
      }),
      idempotencyKey: t.string({
        description: `Up to ${MAX_KEY} characters of your choice. Repeating a request with its key within 24 hours answers as the first time instead of doing it twice.`,
      }),
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
      dryRun: t.exposeBoolean('dryRun', {
        description: 'True: nothing was written; this is what would have been.',
      }),
    }),
  });

  const errors = [...new Set([...COMMON_ERRORS, ...command.errors])].map(errorTypeOf);
  const Result = builder.unionType(`${Name}Result`, {
    description: `The answer of ${name}.`,
    types: [PayloadType, ...errors] as never,
  });

  builder.mutationField(name, (t) =>
    t.field({
      type: Result,
      description: options.description,
      ...(command.permission === null ? {} : { authScopes: { signedIn: true } }),
      args: { input: t.arg({ type: Input, required: true, description: 'What to do.' }) },
      resolve: async (_root, args, context, info) => {
        const { dryRun, idempotencyKey, ...input } = args.input as Record<string, unknown>;
        try {
          const answer = await execute(command, input, context, {
            dryRun: dryRun === true,
            idempotencyKey: checkKey(idempotencyKey),
            view: (tx, result) =>
              readEntities(tx, result as R, entities, `${Name}Payload`, context, info),
          });
          return { result: answer.result, dryRun: dryRun === true, entities: answer.view } as never;
        } catch (error) {
          if (error instanceof UserError) return new Refusal(error) as never;
          throw error;
        }
      },
    }),
  );
}

function checkKey(key: unknown): string | null {
  if (key === null || key === undefined) return null;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,128}$/.test(key)) return key;
  throw ValidationError.of(
    ['idempotencyKey'],
    `must have 1 to ${MAX_KEY} visible ASCII characters`,
  );
}

/** One statement for each entity of the payload that the caller selected. */
async function readEntities<R>(
  tx: Tx,
  result: R,
  entities: readonly [string, EntityField<R>][],
  payloadType: string,
  context: GraphQLContext,
  info: GraphQLResolveInfo,
): Promise<Record<string, object | null>> {
  const rows: Record<string, object | null> = {};
  for (const [field, { entity, id }] of entities) {
    const query = queryFromInfo({
      context,
      info,
      typeName: entity.type,
      path: [{ name: field, type: payloadType }],
    });
    const rowId = id(result);
    const selected = 'select' in query; // without a selection under the path there is no plan
    rows[field] =
      rowId && selected
        ? await delegateOf(tx, entity.model).findFirst({
            ...query,
            where: {
              AND: [
                { id: rowId },
                context.viewer ? entity.visibility.where(context.viewer) : { id: { in: [] } },
              ],
            },
          })
        : null;
  }
  return rows;
}
