/**
 * One command for many objects, each by itself, as if the command had been given once for each.
 * What cannot be begun in the request's time is left over, and said to be so.
 *
 * With an idempotency key the targets are remembered before the first of them is touched, and each has a key of its own that is
 * made of the caller's. Whatever cuts the call off, its repeat has the same targets, answers as the first time for those that
 * were done, and does the rest. A refusal leaves nothing behind, so a repeat tries those again.
 */
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { z } from 'zod';
import type { Db } from '../data/client.js';
import { RequestError, UserError } from '../errors.js';
import { fewAtOnce } from './at-once.js';
import type { BulkAnswer, BulkExecution, BulkRequest, ItemOutcome, Targets } from './bulk.js';
import type { Call } from './context.js';
import { execute } from './execute.js';
import { claimKey, findAnswer, type KeyedRequest, rememberAnswer } from './idempotency.js';

/** The part of the request's time after which nothing more is begun: what is at work must end, and the answer be read. */
const TIME_TO_BEGIN = 0.75;

/** Whether there is time to begin with one more. */
export function timeToBegin({ services: { clock, config } }: Call): () => boolean {
  const last = clock.monotonic() + config.server.requestTimeoutMs * TIME_TO_BEGIN;
  return () => clock.monotonic() < last;
}

export async function doEach<R extends object, V>(
  execution: BulkExecution<R, V>,
): Promise<BulkAnswer<R, V>> {
  const { command, call, viewer, keyed, inputOf, view } = execution;
  const { data } = call.services;
  const inTime = timeToBegin(call);
  const { ids, beyond } = keyed ? await freeze(execution, keyed) : await execution.resolve(viewer);

  const outcomes = new Array<ItemOutcome<R, V> | null>(ids.length).fill(null);
  let unavailable: RequestError | undefined;
  const attempt = async (index: number): Promise<void> => {
    const id = ids[index] as string;
    try {
      const answer = await execute<z.ZodType, R, V>(command, inputOf(id), call, {
        idempotencyKey: keyed && itemKey(keyed, id),
      });
      outcomes[index] = { answer };
    } catch (error) {
      if (error instanceof UserError) outcomes[index] = { error };
      else if (error instanceof RequestError) unavailable ??= error;
      else throw error;
    }
  };
  setMaxListeners(0, call.signal); // whoever waits for a turn or a lock listens, and there are many of them
  const mayBegin = () => !unavailable && !call.signal.aborted && inTime();
  await fewAtOnce(ids.length, attempt, mayBegin);
  // Better to say what was done than that something was not to be had.
  if (unavailable && outcomes.every((outcome) => outcome === null)) throw unavailable;
  call.signal.throwIfAborted();
  return { ids, beyond, outcomes: await withViews(outcomes, view, data.db) };
}

async function withViews<R, V>(
  outcomes: readonly (ItemOutcome<R, V> | null)[],
  view: BulkRequest<R, V>['view'],
  db: Db,
): Promise<(ItemOutcome<R, V> | null)[]> {
  const done = outcomes.flatMap((o) => (o && 'answer' in o ? [o.answer.result] : []));
  const views = (await view(db, done))[Symbol.iterator]();
  return outcomes.map((o) =>
    o && 'answer' in o ? { answer: { ...o.answer, view: views.next().value as V } } : o,
  );
}

/** The targets of the first call with this key: by now a filter might find others. */
async function freeze<R extends object, V>(
  { call, viewer, resolve }: BulkExecution<R, V>,
  keyed: KeyedRequest,
): Promise<Targets> {
  const { data, clock } = call.services;
  const known = await findAnswer(data.db, keyed, clock.now());
  if (known) return known.result as unknown as Targets;
  const targets = await resolve(viewer);
  return data.transaction(
    async (tx) => {
      const twin = await claimKey(tx, keyed, clock.now());
      if (twin) return twin.result as unknown as Targets;
      await rememberAnswer(tx, keyed, targets);
      return targets;
    },
    { signal: call.signal },
  );
}

/** With a space, which keys of callers do not have: none of theirs can be taken for one of ours. */
function itemKey({ key }: KeyedRequest, id: string): string {
  return `bulk ${createHash('sha256').update(key).update('\0').update(id).digest('hex')}`;
}
