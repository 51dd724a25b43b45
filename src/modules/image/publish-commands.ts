/** Letting others use an image: single projects, or everybody, which takes an administrator. */
import { z } from 'zod';
import { requireMay } from '../../core/authorize.js';
import { defineCommand, type Outcome, type RunContext } from '../../core/command.js';
import { requireVisible } from '../../core/entity.js';
import { idOf, optional } from '../../core/input.js';
import { readForEdit, updateVersioned } from '../../core/versioned.js';
import { ValidationError } from '../../errors.js';
import type { Image } from '../../gen/client/client.js';
import { ProjectEntity } from '../project/queries.js';
import { ImageEntity } from './queries.js';
import { MAX_SHARES } from './rules.js';

const resourceType = 'Image';

const input = z.object({
  id: idOf('Image'),
  projectId: optional(idOf('Project')),
  everybody: optional(z.boolean()),
});

/** The project, or null for everybody. Throws ValidationError unless it is exactly one of them. */
function audienceOf({ projectId, everybody = false }: z.output<typeof input>): string | null {
  if ((projectId !== undefined) !== everybody) return projectId ?? null;
  throw ValidationError.of(['projectId'], 'give either a project, or everybody: true');
}

interface ImageResult {
  readonly imageId: string;
}

async function projectsOf({ tx }: RunContext, imageId: string): Promise<string[]> {
  const where = { imageId };
  const shares = await tx.imageShare.findMany({ where, orderBy: { projectId: 'asc' } });
  return shares.map(({ projectId }) => projectId);
}

/** The audit tells of the list as if it were a column: that is what changed for people. */
function shared(image: Image, before: string[], after: string[]): Outcome<ImageResult> {
  const change = {
    type: resourceType,
    id: image.id,
    before: { ...image, sharedWith: before },
    after: { ...image, sharedWith: after },
  };
  return {
    result: { imageId: image.id },
    changed: before.length === after.length ? [] : [change],
  };
}

async function setPublic(
  { tx }: RunContext,
  before: Image,
  isPublic: boolean,
): Promise<Outcome<ImageResult>> {
  const result = { imageId: before.id };
  if (before.public === isPublic) return { result, changed: [] };
  const after = await updateVersioned(tx, ImageEntity, before, { public: isPublic });
  return { result, changed: [{ type: resourceType, id: before.id, before, after }] };
}

export const publishImage = defineCommand({
  name: 'image.publish',
  resourceType,
  permission: 'image:update',
  subject: ({ id }: { id: string }) => ({ entity: ImageEntity, id }),
  input,
  errors: [],
  async run(context, { id, ...audience }) {
    const { tx, viewer } = context;
    const projectId = audienceOf({ id, ...audience });
    const image = await readForEdit<Image>(tx, ImageEntity, id);
    if (projectId === null) {
      requireMay(viewer, 'image:update', null);
      return setPublic(context, image, true);
    }
    await requireVisible(tx, ProjectEntity, viewer, projectId, undefined, ['projectId']);
    // What is without a project is for everybody, and a project needs no leave for what is its own.
    if (image.projectId === null || image.projectId === projectId)
      return { result: { imageId: id }, changed: [] };
    const before = await projectsOf(context, id);
    if (before.length >= MAX_SHARES && !before.includes(projectId))
      throw ValidationError.of(
        ['projectId'],
        `the image is published to ${MAX_SHARES} projects already; publish it to everybody`,
      );
    await tx.imageShare.createMany({ data: [{ imageId: id, projectId }], skipDuplicates: true });
    return shared(image, before, await projectsOf(context, id));
  },
});

/** What was made of it stays: machines and volumes of the project go on, it is only not to be found there any more. */
export const unpublishImage = defineCommand({
  name: 'image.unpublish',
  resourceType,
  permission: 'image:update',
  subject: ({ id }: { id: string }) => ({ entity: ImageEntity, id }),
  input,
  errors: [],
  async run(context, { id, ...audience }) {
    const projectId = audienceOf({ id, ...audience });
    const image = await readForEdit<Image>(context.tx, ImageEntity, id);
    if (projectId === null) return setPublic(context, image, false);
    const before = await projectsOf(context, id);
    await context.tx.imageShare.deleteMany({ where: { imageId: id, projectId } });
    return shared(image, before, await projectsOf(context, id));
  },
});
