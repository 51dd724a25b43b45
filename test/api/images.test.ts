/** Images through the API and an agent: fetched, edited, published to projects and to everybody, deleted. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../support/client.js';
import { mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { createSite, GIB, type Site, uuidOf } from '../support/storage-site.js';

const CHECKSUM = `sha256:${'0a'.repeat(32)}`;

let site: Site;
let other: Made;
/** Operators of the site's project, and of another one. */
let olga: Client;
let omar: Client;
beforeAll(async () => {
  site = await createSite();
  const { seed } = site.world;
  other = await seed.project();
  const member = (project: Made) => ({ projects: { [project.uuid]: 'OPERATOR' as const } });
  await seed.user('OPERATOR', { username: 'olga', ...member(site.project) });
  await seed.user('OPERATOR', { username: 'omar', ...member(other) });
  olga = await site.world.signIn('olga');
  omar = await site.world.signIn('omar');
});
afterAll(() => site.world.stop());
beforeEach(() => site.failures.clear());

let count = 0;
const fresh = () => `picture-${++count}`;
const source = {
  sourceUrl: 'https://images.example.test/debian-13.qcow2',
  checksum: CHECKSUM.toUpperCase().replace('SHA', 'sha'),
  format: 'QCOW2',
  osType: 'linux',
};
const register = async (input: object = {}) => {
  const base = { projectId: site.project.id, poolId: site.pool.id, name: fresh(), ...source };
  const answer = await site.done('registerImage', { ...base, ...input });
  return { id: String(answer.image?.id), uuid: uuidOf(answer.image?.id), task: answer.task };
};
const row = ({ uuid }: { uuid: string }) =>
  site.world.data.db.image.findUnique({ where: { id: uuid } });
const imagesOf = async (client: Client) => {
  const { data } = await client.answer<{ images: { nodes: { id: string }[] } }, object>(
    '{ images(first: 200) { nodes { id } } }',
  );
  return data?.images.nodes.map(({ id }) => id) ?? [];
};

describe('a new image', () => {
  it('is PENDING, then DOWNLOADING, then AVAILABLE with what the agent has fetched', async () => {
    const image = await register({ osVariant: 'debian13', minCpu: 2, minMemoryMib: 1024 });
    expect(await row(image)).toMatchObject({ phase: 'PENDING', checksum: CHECKSUM, minCpu: 2 });
    const { jobs } = await site.agent.report();
    expect(jobs).toMatchObject([
      {
        operation: 'IMPORT_IMAGE',
        imageId: image.id,
        storagePoolId: site.pool.id,
        sourceUrl: source.sourceUrl,
        checksum: CHECKSUM,
        format: 'QCOW2',
      },
    ]);
    const said = {
      taskId: String(image.task?.id),
      status: 'RUNNING',
      progressPercent: 40,
    } as const;
    await site.agent.report({ jobs: [said] });
    expect(await row(image)).toMatchObject({ phase: 'DOWNLOADING' });
    expect(await site.lastTask(image)).toMatchObject({ status: 'RUNNING', progressPercent: 40 });
    await site.agent.report();
    expect(await row(image)).toMatchObject({
      phase: 'AVAILABLE',
      path: `/simulated/${image.id}`,
      sizeBytes: 600n * 2n ** 20n,
    });
  });

  it('is ERROR with the cause when the agent finds another checksum, or does not answer', async () => {
    site.failures.set('IMPORT_IMAGE', `the checksum is sha256:${'1'.repeat(64)}`);
    const image = await register();
    await site.settle();
    expect(await row(image)).toMatchObject({
      phase: 'ERROR',
      errorMessage: expect.stringContaining('the checksum is'),
    });
    const late = await register();
    await site.expire();
    expect(await row(late)).toMatchObject({ phase: 'ERROR' });
    expect(await site.lastTask(late)).toMatchObject({ status: 'TIMED_OUT' });
  });

  it('that is cancelled is gone when its agent has stopped', async () => {
    const image = await register();
    await site.agent.report();
    await site.done('cancelTask', { id: image.task?.id });
    await site.agent.report({ jobs: [{ taskId: String(image.task?.id), status: 'CANCELLED' }] });
    expect(await row(image)).toBeNull();
    await site.agent.report();
  });

  it('survives that its agent is killed while it fetches', async () => {
    const image = await register();
    await site.agent.report();
    site.agent.restart();
    await site.settle();
    expect(await row(image)).toMatchObject({ phase: 'AVAILABLE' });
  });

  it.each([
    ['sourceUrl', 'ftp://example.test/x'],
    ['sourceUrl', 'https://user:pass@example.test/x'],
    ['sourceUrl', 'http://169.254.169.254/latest'],
    ['sourceUrl', `https://example.test/${'x'.repeat(2048)}`],
    ['checksum', 'md5:abc'],
    ['checksum', 'sha256:abc'],
    ['minCpu', 0],
    ['minDiskGib', 65_537],
    ['osType', ''],
    ['name', 'Größe'],
  ])('with %s %s is refused', async (field, value) => {
    const input = { projectId: site.project.id, poolId: site.pool.id, name: fresh(), ...source };
    expect(await site.ask('registerImage', { ...input, [field]: value })).toMatchObject({
      code: 'VALIDATION',
      path: [field],
    });
  });

  it('needs a pool that its project may use and that works', async () => {
    const { seed } = site.world;
    const input = { projectId: site.project.id, name: fresh(), ...source };
    const pending = await seed.pool({ phase: 'ERROR' });
    const foreign = await seed.pool({ projectId: other.uuid });
    const ask = (pool: Made, more: object = {}) =>
      site.ask('registerImage', { ...input, poolId: pool.id, ...more });
    expect(await ask(pending)).toMatchObject({ code: 'INVALID_STATE', current: 'ERROR' });
    expect(await ask(foreign)).toMatchObject({ code: 'VALIDATION', path: ['poolId'] });
    expect(await ask(foreign, { projectId: null })).toMatchObject({ path: ['poolId'] });
    expect(await mutate(olga, 'registerImage', { ...input, poolId: foreign.id })).toMatchObject({
      code: 'NOT_FOUND',
      path: ['poolId'],
    });
  });

  it('for everybody takes an administrator', async () => {
    const input = { poolId: site.pool.id, name: fresh(), ...source };
    expect(await mutate(olga, 'registerImage', input)).toMatchObject({ code: 'FORBIDDEN' });
    await site.done('registerImage', input);
    await site.settle();
    expect(await site.ask('registerImage', input)).toMatchObject({ code: 'ALREADY_EXISTS' });
  });
});

describe('publishing', () => {
  it('to a project shows it to its members, on every path, until it is taken back', async () => {
    const { seed } = site.world;
    const both = await seed.user('OPERATOR', {
      projects: { [site.project.uuid]: 'OPERATOR', [other.uuid]: 'VIEWER' },
    });
    const client = await site.world.signIn(both.name);
    const image = await seed.image({ projectId: site.project.uuid });
    expect(await imagesOf(omar)).not.toContain(image.id);
    const share = { id: image.id, projectId: other.id };
    expect(await mutate(client, 'publishImage', share)).toMatchObject({
      __typename: 'PublishImagePayload',
    });
    await mutate(client, 'publishImage', share); // and once more: it is published once
    expect(await imagesOf(omar)).toContain(image.id);
    const query =
      'query($id: ID!) { image(id: $id) { name project { id } sharedWith { project { id } } } }';
    expect((await omar.answer(query, { id: image.id })).data).toEqual({
      image: { name: image.name, project: null, sharedWith: [{ project: { id: other.id } }] },
    });
    // Who belongs to the owner alone does not learn of the other project.
    expect((await olga.answer(query, { id: image.id })).data).toMatchObject({
      image: { sharedWith: [] },
    });
    const volume = { projectId: other.id, poolId: site.pool.id, name: fresh() };
    const use = { ...volume, source: { imageId: image.id }, dryRun: true };
    expect(await mutate(omar, 'createVolume', use)).toMatchObject({ dryRun: true });
    expect(await mutate(omar, 'updateImage', { id: image.id, name: 'mine' })).toMatchObject({
      code: 'FORBIDDEN',
    });

    await mutate(client, 'unpublishImage', share);
    expect(await imagesOf(omar)).not.toContain(image.id);
    expect(await mutate(omar, 'createVolume', use)).toMatchObject({ code: 'NOT_FOUND' });
    const entries = await site.world.data.db.auditEntry.findMany({
      where: { resourceId: image.uuid, action: { contains: 'publish' } },
      orderBy: { createdAt: 'asc' },
    });
    expect(entries.map(({ action, details }) => [action, details])).toEqual([
      ['image.publish', { before: { sharedWith: [] }, after: { sharedWith: [other.uuid] } }],
      ['image.publish', { unchanged: true }],
      ['image.unpublish', { before: { sharedWith: [other.uuid] }, after: { sharedWith: [] } }],
    ]);
  });

  it('to a project that one does not see is refused as if there were none', async () => {
    const image = await site.world.seed.image({ projectId: site.project.uuid });
    expect(await mutate(olga, 'publishImage', { id: image.id, projectId: other.id })).toMatchObject(
      { code: 'NOT_FOUND', resourceType: 'Project', path: ['projectId'] },
    );
  });

  it('to everybody takes an administrator; taking it back does not', async () => {
    const image = await site.world.seed.image({ projectId: site.project.uuid });
    const everybody = { id: image.id, everybody: true };
    expect(await mutate(olga, 'publishImage', everybody)).toMatchObject({ code: 'FORBIDDEN' });
    expect(await site.done('publishImage', everybody)).toMatchObject({ image: { public: true } });
    expect(await imagesOf(omar)).toContain(image.id);
    expect(await mutate(olga, 'unpublishImage', everybody)).toMatchObject({
      image: { public: false },
    });
    expect(await imagesOf(omar)).not.toContain(image.id);
  });

  it.each([{}, { everybody: false }, { everybody: true, projectId: true }])(
    'to %o is refused: it is one project, or everybody',
    async (audience) => {
      const image = await site.world.seed.image({ projectId: site.project.uuid });
      const project = 'projectId' in audience ? { projectId: other.id } : {};
      const input = { id: image.id, ...audience, ...project };
      expect(await site.ask('publishImage', input)).toMatchObject({ code: 'VALIDATION' });
      expect(await site.ask('unpublishImage', input)).toMatchObject({ code: 'VALIDATION' });
    },
  );
});

describe('deleting', () => {
  it('takes the content out of the pool, then the row', async () => {
    const image = await register();
    expect(await site.ask('deleteImage', { id: image.id })).toMatchObject({
      code: 'BUSY',
      operation: 'IMPORT_IMAGE',
    });
    await site.settle();
    await site.done('deleteImage', { id: image.id });
    expect(await row(image)).toMatchObject({ phase: 'DELETING' });
    const { jobs } = await site.agent.report();
    expect(jobs).toMatchObject([{ operation: 'DELETE_IMAGE', imageId: image.id, sourceUrl: null }]);
    await site.agent.report();
    expect(await row(image)).toBeNull();
  });

  it('that fails leaves it in ERROR; one that is in no pool goes at once', async () => {
    const { seed } = site.world;
    site.failures.set('DELETE_IMAGE', 'read-only file system');
    const image = await seed.image({ projectId: site.project.uuid, poolId: site.pool.uuid });
    await site.done('deleteImage', { id: image.id });
    await site.settle();
    expect(await row(image)).toMatchObject({
      phase: 'ERROR',
      errorMessage: 'read-only file system',
    });
    const bare = await seed.image();
    expect(await site.done('deleteImage', { id: bare.id })).toMatchObject({ task: null });
    expect(await row(bare)).toBeNull();
  });

  it('is refused while a drive holds it, or a volume shares its blocks or still copies them', async () => {
    const { seed } = site.world;
    const image = await seed.image({ projectId: site.project.uuid, poolId: site.pool.uuid });
    const refused = async (usedBy: object[]) =>
      expect(await site.ask('deleteImage', { id: image.id })).toMatchObject({
        code: 'IN_USE',
        usedBy,
      });
    const spec = { cpu: { cores: 1 }, memory: { sizeMib: 512 }, cdroms: [{ imageId: image.uuid }] };
    const vm = await seed.vm(site.project, { spec });
    await refused([{ type: 'VirtualMachine', count: 1, names: [vm.name] }]);
    await site.world.data.db.virtualMachine.delete({ where: { id: vm.uuid } });
    const copied = await site.done('createVolume', {
      projectId: site.project.id,
      poolId: site.pool.id,
      name: fresh(),
      source: { imageId: image.id },
    });
    await refused([{ type: 'Volume', count: 1, names: [copied.volume?.name] }]);
    await site.settle();
    const linked = await site.volume(fresh(), { source: { imageId: image.id, linked: true } });
    await refused([{ type: 'Volume', count: 1, names: [linked.name] }]);
    expect(await row(image)).toMatchObject({ phase: 'AVAILABLE' });
    await site.done('deleteVolume', { id: linked.id });
    await site.settle();
    await site.done('deleteImage', { id: image.id });
    await site.settle();
    expect(await row(image)).toBeNull();
  });
});

it('an edit changes what is given, and refuses an old version', async () => {
  const image = await site.world.seed.image({ sizeBytes: GIB });
  const edit = { id: image.id, minCpu: 4, osVariant: 'debian13', expectedVersion: 1 };
  expect(await site.done('updateImage', edit)).toMatchObject({
    image: { minCpu: 4, osVariant: 'debian13', osType: 'linux', version: 2 },
  });
  expect(await site.ask('updateImage', edit)).toMatchObject({ code: 'CONFLICT' });
});
