/** Why placement would choose a node, and why not the others: asked without doing anything. */
import { z } from 'zod';
import { may, type Viewer } from '../../core/authz.js';
import type { Services } from '../../core/context.js';
import { delegateOf, type Entity } from '../../core/entity.js';
import { idOf, optional } from '../../core/input.js';
import { faultsOf } from '../../core/input-faults.js';
import type { Tx } from '../../data/client.js';
import { BadRequestError, withArticle } from '../../errors.js';
import { builder } from '../../graphql/builder.js';
import { VerdictType } from '../../graphql/errors.js';
import { ProjectEntity } from '../project/queries.js';
import { StoragePoolEntity, VolumeEntity } from '../storage/queries.js';
import { requestFor } from './migration.js';
import {
  explainPlacement,
  placementSettings,
  poolsFor,
  requestForNew,
  requestForStart,
} from './place-vm.js';
import type { Placement, PlacementRequest } from './placement.js';
import { VirtualMachineEntity } from './queries.js';
import { specInput } from './spec.js';
import { VmSpecInput } from './spec-inputs.js';

const question = z
  .object({
    projectId: optional(idOf('Project')),
    spec: optional(specInput),
    storagePoolIds: optional(z.array(idOf('StoragePool')).max(64)),
    virtualMachineId: optional(idOf('VirtualMachine')),
  })
  .refine(
    ({ projectId, spec, storagePoolIds, virtualMachineId }) =>
      virtualMachineId === undefined
        ? projectId !== undefined && spec !== undefined
        : projectId === undefined && spec === undefined && storagePoolIds === undefined,
    'Give either "projectId" and "spec", or "virtualMachineId".',
  );

type Question = z.output<typeof question>;

/** Null where the viewer may not create machines: then there is nothing to explain. */
async function explain(
  tx: Tx,
  services: Services,
  viewer: Viewer,
  asked: Question,
): Promise<Placement | null> {
  const found = asked.virtualMachineId
    ? await requestOfMachine(tx, viewer, asked.virtualMachineId)
    : await requestOfSpec(tx, viewer, asked);
  if (!found || !may(viewer, 'vm:create', found.projectId)) return null;
  return explainPlacement(tx, found.projectId, found.request, placementSettings(services));
}

interface Found {
  readonly projectId: string;
  readonly request: PlacementRequest;
}

async function requestOfMachine(tx: Tx, viewer: Viewer, id: string): Promise<Found | null> {
  const vm = await tx.virtualMachine.findFirst({
    where: { AND: [{ id }, VirtualMachineEntity.visibility.where(viewer)] },
  });
  if (!vm) return null;
  const request = vm.capacityClaimed
    ? await requestFor({ tx, viewer }, vm, undefined)
    : await requestForStart({ tx, viewer }, vm);
  return { projectId: vm.projectId, request };
}

async function requestOfSpec(
  tx: Tx,
  viewer: Viewer,
  { projectId, spec, storagePoolIds = [] }: Question,
): Promise<Found | null> {
  if (!projectId || !spec) return null;
  const project = await tx.project.findFirst({
    where: { AND: [{ id: projectId }, ProjectEntity.visibility.where(viewer)] },
    select: { id: true },
  });
  if (!project) return null;
  const volumeIds = spec.disks?.map(({ volumeId }) => volumeId) ?? [];
  await requireSeen(tx, viewer, VolumeEntity, volumeIds, ['spec', 'disks']);
  await requireSeen(tx, viewer, StoragePoolEntity, storagePoolIds, ['storagePoolIds']);
  const pools = await poolsFor({ tx, viewer }, storagePoolIds, volumeIds);
  return { projectId, request: { ...requestForNew(spec), pools } };
}

/** Verdicts name pools: only those whose names may be told. Throws BadRequestError, the same for hidden and absent. */
async function requireSeen(
  tx: Tx,
  viewer: Viewer,
  entity: Entity,
  ids: readonly string[],
  path: readonly string[],
): Promise<void> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return;
  const where = { AND: [{ id: { in: wanted } }, entity.visibility.where(viewer)] };
  if ((await delegateOf(tx, entity.model).count({ where })) < wanted.length)
    throw new BadRequestError(`It names ${withArticle(entity.type)} that does not exist.`, [
      'input',
      ...path,
    ]);
}

const Input = builder.inputType('ExplainPlacementInput', {
  description: 'A machine that exists, or one that could be created.',
  fields: (t) => ({
    projectId: t.id({ description: 'The project that it would belong to; together with `spec`.' }),
    spec: t.field({
      type: VmSpecInput,
      description: 'What it would be made of, as createVirtualMachine takes it.',
    }),
    storagePoolIds: t.idList({
      description: 'With `spec`: the pools in which new disks of it would be made.',
    }),
    virtualMachineId: t.id({
      description:
        'A machine: where it would start, or, while it holds a node, where it would migrate to. Not together with the others.',
    }),
  }),
});

const ExplanationType = builder.objectRef<Placement>('PlacementExplanation').implement({
  description:
    'What placement thinks of each hypervisor node, as things are now. Nothing is claimed.',
  fields: (t) => ({
    verdicts: t.field({
      type: [VerdictType],
      description: 'One for each node, the best first.',
      resolve: ({ verdicts }) => [...verdicts],
    }),
  }),
});

builder.queryField('explainPlacement', (t) =>
  t.field({
    type: ExplanationType,
    nullable: true,
    description:
      'Which hypervisor node would take a virtual machine, and why not the others; null when there is no such project or machine, or you may not create machines in the project.',
    extensions: { uncacheable: true },
    args: { input: t.arg({ type: Input, required: true, description: 'What is to be placed.' }) },
    resolve: async (_root, { input }, { viewer, services, signal }) => {
      const parsed = question.safeParse(input, { error: faultsOf });
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        const path = (issue?.path ?? []).map(String);
        const message = [path.join('.'), issue?.message].filter(Boolean).join(': ');
        throw new BadRequestError(message, ['input', ...path]);
      }
      if (!viewer) return null;
      return services.data.transaction((tx) => explain(tx, services, viewer, parsed.data), {
        signal,
      });
    },
  }),
);
