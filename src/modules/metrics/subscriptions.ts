/** `nodeMetrics`: the latest metrics of nodes at the subscriber's own pace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { delegateOf } from '../../core/entity.js';
import { BadRequestError, NothingToWatchError, UnauthenticatedError } from '../../errors.js';
import { builder, type GraphQLContext } from '../../graphql/builder.js';
import { uuidOf } from '../../graphql/node.js';
import { encodeGlobalId } from '../../ids.js';
import { NodeEntity } from '../node/queries.js';
import { type KnownMetrics, watchSamples } from './sample-reader.js';
import { NodeMetricsType } from './schema.js';

const MIN_INTERVAL_MS = 500;
const MAX_INTERVAL_MS = 60_000;
const DEFAULT_INTERVAL_MS = 2_000;
const MAX_NODES = 500;

const EventType = builder.objectRef<KnownMetrics>('NodeMetricsEvent').implement({
  description: 'New metrics of one hypervisor node.',
  fields: (t) => ({
    hypervisorNodeId: t.id({
      description: 'The node.',
      resolve: (event) => encodeGlobalId('HypervisorNode', event.nodeId),
    }),
    metrics: t.field({
      type: NodeMetricsType,
      description: 'Its metrics.',
      resolve: (event) => event.metrics,
    }),
  }),
});

/**
 * Pulled, never pushed: the next sample is looked for when the client has taken the last ones, so a slow client
 * simply sees fewer, and the newest. A sample that was sent already is not sent again. After the interval it is
 * sent as soon as there is one. What is read, is read once for all subscribers: see sample-reader.ts.
 *
 * @param wanted the nodes that the caller named; null: all that there are, also those that come later
 */
async function* metricsStream(
  context: GraphQLContext,
  wanted: readonly string[] | null,
  intervalMs: number,
): AsyncGenerator<readonly KnownMetrics[]> {
  const { services, signal } = context;
  let toWatch: readonly string[] | 'unknown' | null = wanted ?? 'unknown';
  let wake: (() => void) | null = null;
  let news = false;
  const onNews = (): void => {
    news = true;
    wake?.();
  };
  const samples = watchSamples(services, onNews);
  const stopListening = services.hints.listen(({ type, kind }) => {
    if (wanted !== null || type !== NodeEntity.type || kind === 'UPDATED') return;
    toWatch = 'unknown';
    onNews();
  });
  function untilNews(): Promise<void> {
    return new Promise((resolve) => {
      if (news || signal.aborted) return resolve();
      wake = () => {
        wake = null;
        signal.removeEventListener('abort', onNews);
        resolve();
      };
      signal.addEventListener('abort', onNews, { once: true });
    });
  }
  const sent = new Map<string, string>();
  try {
    while (!signal.aborted) {
      news = false;
      if (toWatch !== null) {
        const asked: readonly string[] | 'unknown' = toWatch;
        toWatch = null; // before it is looked up: what changes meanwhile makes it unknown again
        const found = asked === 'unknown' ? await allNodes(context) : asked;
        if (found) await samples.nodes(found);
        else {
          toWatch = 'unknown'; // asked again after the interval
          news = true;
        }
      }
      const fresh = samples
        .known()
        .filter(({ nodeId, metrics }) => sent.get(nodeId) !== metrics.sampledAt);
      if (fresh.length > 0) {
        for (const { nodeId, metrics } of fresh) sent.set(nodeId, metrics.sampledAt);
        yield fresh;
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
      await untilNews();
    }
  } finally {
    stopListening();
    samples.stop();
  }
}

/** Null: that cannot be known now. */
function allNodes(context: GraphQLContext): Promise<readonly string[] | null> {
  return visibleNodes(context, null).catch(() => null);
}

/** Of these nodes (null: of all), those that the viewer sees; as many as can be watched. */
async function visibleNodes(
  { viewer, prisma }: GraphQLContext,
  wanted: readonly string[] | null,
): Promise<string[]> {
  if (!viewer) throw new UnauthenticatedError();
  const rows = await delegateOf(prisma, 'node').findMany({
    where: {
      AND: [wanted ? { id: { in: [...wanted] } } : {}, NodeEntity.visibility.where(viewer)],
    },
    select: { id: true },
    orderBy: { id: 'asc' },
    take: MAX_NODES + 1,
  });
  return rows.map((row) => String(row.id));
}

/** Null: all. Throws when a node that is named is not there, or when there are more than can be watched. */
async function nodesToWatch(
  context: GraphQLContext,
  globalIds: readonly string[] | null | undefined,
): Promise<readonly string[] | null> {
  const path = ['nodeIds'];
  const wanted = globalIds
    ? [...new Set(globalIds.map((id) => uuidOf(NodeEntity.type, id, path)))]
    : null;
  if (wanted?.length === 0)
    throw new BadRequestError('Name at least one node, or leave "nodeIds" out for all.', path);
  if ((wanted?.length ?? 0) > MAX_NODES)
    throw new BadRequestError(`Watch at most ${MAX_NODES} nodes at once.`, path);
  const visible = await visibleNodes(context, wanted);
  if (wanted && visible.length < wanted.length)
    throw new NothingToWatchError(NodeEntity.type, path);
  if (visible.length > MAX_NODES)
    throw new BadRequestError(`Watch at most ${MAX_NODES} nodes at once; name them.`, path);
  return wanted;
}

builder.subscriptionField('nodeMetrics', (t) =>
  t.field({
    type: [EventType],
    description:
      'Metrics of hypervisor nodes: the latest at once, then what is new at each interval. A slow client skips samples, never sees old ones.',
    args: {
      nodeIds: t.arg.idList({
        description: 'Which nodes; all if not given, also those that are registered later.',
      }),
      intervalMs: t.arg.int({
        description: `How often at most, in milliseconds; ${MIN_INTERVAL_MS} to ${MAX_INTERVAL_MS}, ${DEFAULT_INTERVAL_MS} if not given.`,
      }),
    },
    subscribe: async (_root, { nodeIds, intervalMs }, context) => {
      const every = intervalMs ?? DEFAULT_INTERVAL_MS;
      if (every < MIN_INTERVAL_MS || every > MAX_INTERVAL_MS) {
        throw new BadRequestError(
          `"intervalMs" must be between ${MIN_INTERVAL_MS} and ${MAX_INTERVAL_MS}.`,
          ['intervalMs'],
        );
      }
      return metricsStream(context, await nodesToWatch(context, nodeIds), every);
    },
    resolve: (events) => [...events],
  }),
);
