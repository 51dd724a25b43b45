/** `nodeMetrics`: the latest metrics of nodes at the subscriber's own pace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { delegateOf } from '../../core/entity.js';
import { BadRequestError, UnauthenticatedError } from '../../errors.js';
import { builder, type GraphQLContext } from '../../graphql/builder.js';
import { uuidOf } from '../../graphql/node.js';
import { encodeGlobalId } from '../../ids.js';
import { NodeEntity } from '../node/queries.js';
import { NodeMetricsType } from './schema.js';
import { type NodeMetrics, readNodeSamples } from './store.js';

const MIN_INTERVAL_MS = 500;
const MAX_INTERVAL_MS = 60_000;
const DEFAULT_INTERVAL_MS = 2_000;
const MAX_NODES = 500;

interface NodeMetricsEvent {
  readonly nodeId: string;
  readonly metrics: NodeMetrics;
}

const EventType = builder.objectRef<NodeMetricsEvent>('NodeMetricsEvent').implement({
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
 * Pulled, never pushed: the next sample is read when the client has taken the last ones, so a slow client
 * simply sees fewer, and the newest. A sample that was sent already is not sent again.
 */
async function* metricsStream(
  context: GraphQLContext,
  nodeIds: readonly string[],
  intervalMs: number,
): AsyncGenerator<readonly NodeMetricsEvent[]> {
  const { services, signal } = context;
  const sent = new Map<string, string>();
  while (!signal.aborted) {
    const samples = await readNodeSamples(services, nodeIds).catch(() => []);
    const fresh = samples.filter(
      (sample) => sample !== null && sent.get(sample.nodeId) !== sample.node.sampledAt,
    );
    if (fresh.length > 0) {
      yield fresh.flatMap((sample) => {
        if (!sample) return [];
        sent.set(sample.nodeId, sample.node.sampledAt);
        return [{ nodeId: sample.nodeId, metrics: sample.node }];
      });
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
  }
}

async function nodesToWatch(
  context: GraphQLContext,
  globalIds: readonly string[] | null | undefined,
): Promise<string[]> {
  if (!context.viewer) throw new UnauthenticatedError();
  const wanted = globalIds?.map((id) => uuidOf('HypervisorNode', id, ['nodeIds']));
  const rows = await delegateOf(context.prisma, 'node').findMany({
    where: {
      AND: [wanted ? { id: { in: wanted } } : {}, NodeEntity.visibility.where(context.viewer)],
    },
    select: { id: true },
    take: MAX_NODES + 1,
  });
  if (rows.length > MAX_NODES)
    throw new BadRequestError(`Watch at most ${MAX_NODES} nodes at once; name them.`, ['nodeIds']);
  return rows.map((row) => String(row.id));
}

builder.subscriptionField('nodeMetrics', (t) =>
  t.field({
    type: [EventType],
    description:
      'Metrics of hypervisor nodes: the latest at once, then what is new at each interval. A slow client skips samples, never sees old ones.',
    args: {
      nodeIds: t.arg.idList({ description: 'Which nodes; all if not given.' }),
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
      if ((nodeIds?.length ?? 0) > MAX_NODES)
        throw new BadRequestError(`Watch at most ${MAX_NODES} nodes at once.`, ['nodeIds']);
      return metricsStream(context, await nodesToWatch(context, nodeIds), every);
    },
    resolve: (events) => [...events],
  }),
);
