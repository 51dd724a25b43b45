/** Emptying a node in the API: what becomes of each machine, how far it has come, what is in the way. No field of the node: a page of nodes is one statement. */
import { builder, type GraphQLContext } from '../../graphql/builder.js';
import { type Batch, readFromBatch, uuidOf } from '../../graphql/node.js';
import { NodeEntity } from '../node/queries.js';
import { NodeRef } from '../node/schema.js';
import { readEvacuation } from './evacuation.js';
import type { Step } from './evacuation-rules.js';
import { VirtualMachineEntity } from './queries.js';
import { VirtualMachineRef } from './schema.js';

/** A step, with what is read together with its like. */
interface SeenStep extends Step {
  readonly machines: Batch;
  readonly nodes: Batch;
}

interface Progress {
  readonly steps: readonly SeenStep[];
  /** Of all machines that hold the node, whoever sees them. */
  readonly remaining: number;
}

const blocks = (step: Step): boolean => step.holds && step.state === 'BLOCKED';

/** The plan as the viewer may see it: of other people's machines only how many there are. */
async function readProgress(context: GraphQLContext, nodeId: string): Promise<Progress> {
  const { services, viewer } = context;
  if (!viewer) return { steps: [], remaining: 0 };
  const { db } = services.data;
  const plan = await readEvacuation(db, nodeId, services, viewer);
  const ids = plan.map((step) => step.virtualMachineId);
  const visible = await db.virtualMachine.findMany({
    where: {
      AND: [{ id: { in: ids } }, VirtualMachineEntity.visibility.where(viewer)],
    },
    select: { id: true },
  });
  const seen = new Set(visible.map(({ id }) => id));
  const steps = plan.filter((step) => seen.has(step.virtualMachineId));
  const targets = steps.flatMap((step) => step.targetNodeId ?? []);
  const machines = { ids: [...seen], rows: new Map() };
  const nodes = { ids: [...new Set(targets)], rows: new Map() };
  return {
    steps: steps.map((step) => ({ ...step, machines, nodes })),
    remaining: plan.filter((step) => step.holds).length,
  };
}

const MoveType = builder.objectRef<SeenStep>('MaintenanceMove').implement({
  description: 'What would become of one virtual machine if its node were emptied now.',
  fields: (t) => ({
    virtualMachine: t.field({
      type: VirtualMachineRef,
      nullable: true,
      description: 'The machine; null when it has gone meanwhile.',
      resolve: (step, _args, context, info) =>
        readFromBatch(
          context,
          info,
          VirtualMachineEntity,
          step.virtualMachineId,
          step.machines,
        ) as never,
    }),
    targetNode: t.field({
      type: NodeRef,
      nullable: true,
      description: 'Where it would move, or is moving; null: it cannot.',
      resolve: (step, _args, context, info) =>
        (step.targetNodeId === null
          ? null
          : readFromBatch(context, info, NodeEntity, step.targetNodeId, step.nodes)) as never,
    }),
    reason: t.exposeString('reason', {
      nullable: true,
      description: 'Why it cannot, and what would help; null when it can.',
    }),
    blocks: t.boolean({
      description: 'Whether the node is not empty while it stays: it holds capacity there.',
      resolve: blocks,
    }),
  }),
});

const PlanType = builder.objectRef<Progress>('MaintenancePlan').implement({
  description:
    'A plan for emptying a node whose parts fit together: what one machine takes, the next does not count on.',
  fields: (t) => ({
    remaining: t.exposeInt('remaining', {
      description: 'Virtual machines that hold capacity there, those of other projects included.',
    }),
    blockers: t.field({
      type: [MoveType],
      description:
        'Those of the moves that hold it up and do not come about by themselves; the others are moving or wait for their turn.',
      resolve: ({ steps }) => steps.filter(blocks),
    }),
    moves: t.field({
      type: [MoveType],
      description:
        'One for each virtual machine on the node that you may see, in the order of the plan.',
      resolve: ({ steps }) => [...steps],
    }),
  }),
});

builder.queryField('planMaintenance', (t) =>
  t.field({
    type: PlanType,
    nullable: true,
    description:
      'What becomes of each virtual machine of a node when it is emptied, or why not, as things are now: before enterMaintenance a plan, afterwards what is left; null when there is no such node.',
    extensions: { uncacheable: true },
    args: { nodeId: t.arg.id({ required: true, description: 'The hypervisor node.' }) },
    resolve: async (_root, { nodeId }, context) => {
      const id = uuidOf('HypervisorNode', nodeId, ['nodeId']);
      const { viewer, services } = context;
      if (!viewer) return null;
      const known = await services.data.db.node.findFirst({
        where: { AND: [{ id }, NodeEntity.visibility.where(viewer)] },
        select: { id: true },
      });
      return known && readProgress(context, id);
    },
  }),
);
