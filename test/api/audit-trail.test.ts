/** What the audit log says of a command, and that it is written with the change or not at all. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemViewer } from '../../src/core/authz.js';
import { defineCommand } from '../../src/core/command.js';
import type { Call } from '../../src/core/context.js';
import { execute } from '../../src/core/execute.js';
import { ProtectedError } from '../../src/errors.js';
import { newId } from '../../src/ids.js';
import { createUser } from '../../src/modules/user/commands.js';
import { createTestApp, type TestApp } from '../support/app.js';
import { digest } from '../support/digest.js';
import { createStage, documentOf, mutate, type Stage, sampleOf } from '../support/mutations.js';

let world: TestApp;
let stage: Stage;
beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
});
afterAll(() => world.stop());

interface Details {
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
}

/** Gives a command with a request id and a user agent of its own; returns the entries that it left. */
async function entriesOf(mutation: string, input: object, token = stage.admin.token) {
  const requestId = newId();
  const response = await world.anonymous.raw({
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'audit-test/1',
      'x-request-id': requestId,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify({ query: documentOf(mutation), variables: { input } }),
  });
  const body = (await response.json()) as { data: { answer: Record<string, unknown> } };
  const rows = await world.data.db.auditEntry.findMany({
    where: { requestId },
    orderBy: { seq: 'asc' },
  });
  const entries = rows.map((row) => ({ ...row, details: row.details as unknown as Details }));
  return { answer: body.data.answer, entries, requestId };
}

describe('a command that changes something', () => {
  it('leaves who, what, from where, and the whole row of what was made', async () => {
    const { entries, requestId } = await entriesOf('createCluster', {
      name: 'told',
      drsEnabled: true,
    });
    const cluster = await world.data.db.cluster.findUniqueOrThrow({ where: { name: 'told' } });
    const admin = await world.data.db.user.findUniqueOrThrow({
      where: { username: 'stage-admin' },
    });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      userId: admin.id,
      username: 'stage-admin',
      action: 'cluster.create',
      resourceType: 'Cluster',
      resourceId: cluster.id,
      resourceName: 'told',
      projectId: null,
      status: 'SUCCEEDED',
      requestId,
      userAgent: 'audit-test/1',
    });
    const { before, after } = entries[0]?.details ?? {};
    expect(before).toBeNull();
    expect(after).toMatchObject({ name: 'told', drsEnabled: true, version: 1 });
    expect(after).not.toHaveProperty('createdAt');
  });

  it('leaves only what differs of what was changed', async () => {
    const cluster = await world.seed.cluster({ description: 'old' });
    const { entries } = await entriesOf('updateCluster', { id: cluster.id, description: 'new' });
    expect(entries.map((e) => e.details)).toEqual([
      { before: { description: 'old', version: 1 }, after: { description: 'new', version: 2 } },
    ]);
  });

  it('leaves the whole row of what was deleted', async () => {
    const cluster = await world.seed.cluster({ description: 'was here' });
    const { entries } = await entriesOf('deleteCluster', { id: cluster.id });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      resourceName: cluster.name,
      details: { before: { name: cluster.name, description: 'was here' }, after: null },
    });
  });

  it('leaves one entry for each object, all of the same request and in the same project', async () => {
    const { seed } = world;
    const pool = await seed.pool();
    const volumes = [
      await seed.volume(stage.project, pool),
      await seed.volume(stage.project, pool),
    ];
    const { entries } = await entriesOf('createVirtualMachine', {
      projectId: stage.project.id,
      name: 'with-disks',
      spec: {
        cpu: { cores: 1 },
        memory: { sizeMib: 512 },
        disks: volumes.map((volume, i) => ({ name: `disk-${i}`, volumeId: volume.id })),
      },
    });
    expect(entries.map((e) => e.resourceType)).toEqual(['VirtualMachine', 'Volume', 'Volume']);
    expect(new Set(entries.map((e) => e.projectId))).toEqual(new Set([stage.project.uuid]));
    expect(entries.slice(1).map((e) => e.details)).toEqual(
      volumes.map(() => ({
        before: { attachedVmId: null, phase: 'READY' },
        after: { attachedVmId: entries[0]?.resourceId, phase: 'IN_USE' },
      })),
    );
  });

  it('does not tell of figures that follow from it, like usage and capacity', async () => {
    const { input } = await sampleOf('startVirtualMachine', stage);
    const { entries } = await entriesOf('startVirtualMachine', input);
    expect(entries.map((e) => e.resourceType)).toEqual(['VirtualMachine', 'Task']);
  });

  it('names a user’s sign-in before this one, so that a stranger’s shows', async () => {
    const lastLogin = new Date('2026-01-02T03:04:05.000Z');
    await world.seed.user('VIEWER', { username: 'often', data: { lastLogin } });
    const input = { username: 'often', password: world.seed.password };
    const { entries } = await entriesOf('login', input, null);
    expect(entries).toHaveLength(1);
    expect(entries[0]?.details.before).toEqual({ lastLogin: lastLogin.toISOString() });
  });

  it('is a sign-in by whom it signed in, whoever asked', async () => {
    const { uuid, name } = await world.seed.user('VIEWER');
    const input = { username: name.toUpperCase(), password: world.seed.password };
    for (const token of [null, stage.admin.token]) {
      const { entries } = await entriesOf('login', input, token);
      expect(entries).toHaveLength(1);
      expect(entries[0]).toMatchObject({
        userId: uuid,
        username: name,
        resourceId: uuid,
        resourceName: name,
      });
    }
  });
});

describe('a command that changes nothing', () => {
  it('leaves an entry that says so', async () => {
    const vm = await world.seed.vm(stage.project);
    const { entries } = await entriesOf('stopVirtualMachine', { id: vm.id });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      action: 'virtualMachine.stop',
      resourceId: vm.uuid,
      details: { unchanged: true },
    });
  });

  it('by an edit keeps the version, writes nothing, and leaves an entry that says so', async () => {
    const { seed, data } = world;
    const cluster = await seed.cluster({ description: 'as it is' });
    const vm = await seed.vm(stage.project, { labels: { b: '2', a: '1' } });
    const user = await seed.user('VIEWER');
    for (const [mutation, input, field] of [
      ['updateUser', { id: user.id, role: 'VIEWER' }, 'user'],
      ['updateCluster', { id: cluster.id, description: 'as it is' }, 'cluster'],
      ['updateVirtualMachine', { id: vm.id, labels: { a: '1', b: '2' } }, 'virtualMachine'],
      ['updateVirtualMachine', { id: vm.id }, 'virtualMachine'],
    ] as const) {
      const { answer, entries } = await entriesOf(mutation, input);
      expect(answer[field]).toMatchObject({ version: 1 });
      expect(entries.map(({ details }) => details)).toEqual([{ unchanged: true }]);
    }
    expect(await data.db.cluster.findUnique({ where: { id: cluster.uuid } })).toMatchObject({
      version: 1,
    });
  });

  it('leaves none when it is an agent’s report, which comes every few seconds', async () => {
    const { client, input } = await sampleOf('reportNode', stage);
    const first = await entriesOf('reportNode', input, client.token);
    expect(first.entries.length).toBeGreaterThan(0);
    const again = await entriesOf(
      'reportNode',
      { ...input, sequence: 2, spec: null },
      client.token,
    );
    expect(again.answer).toMatchObject({ accepted: true });
    expect(again.entries).toEqual([]);
  });
});

describe('a command that is refused', () => {
  it('leaves the error and nothing of the input', async () => {
    const { answer, entries } = await entriesOf('createCluster', { name: stage.cluster.name });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ status: 'FAILED', action: 'cluster.create' });
    expect(entries[0]?.details).toEqual({
      error: { code: 'ALREADY_EXISTS', message: answer.message },
    });
  });

  it('leaves the name that somebody tried to sign in with, and not the password', async () => {
    const input = { username: 'mallory', password: 'hunter2-hunter2' };
    const { entries } = await entriesOf('login', input, null);
    expect(entries[0]).toMatchObject({ status: 'FAILED', resourceName: 'mallory', userId: null });
    expect(JSON.stringify(entries[0]?.details)).not.toContain('hunter2');
  });
});

describe('a command that is denied', () => {
  it('is found by the name and the project of what it was about', async () => {
    await world.seed.user('VIEWER', {
      username: 'onlooker',
      projects: { [stage.project.uuid]: 'VIEWER' },
    });
    const { token } = await world.signIn('onlooker');
    const vm = await world.seed.vm(stage.project);
    const { answer, entries } = await entriesOf('startVirtualMachine', { id: vm.id }, token);
    expect(answer).toMatchObject({ code: 'FORBIDDEN' });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      status: 'DENIED',
      username: 'onlooker',
      resourceType: 'VirtualMachine',
      resourceId: vm.uuid,
      resourceName: vm.name,
      projectId: stage.project.uuid,
    });
  });

  it.each(['createCluster', 'createProject', 'createUser', 'registerHypervisorNode', 'raiseAlert'])(
    'and would have made something says how that was to be called: %s',
    async (mutation) => {
      const { name } = await world.seed.user('VIEWER');
      const { token } = await world.signIn(name);
      const { input } = await sampleOf(mutation, stage);
      const { entries } = await entriesOf(mutation, input, token);
      const wanted = input.name ?? input.username ?? input.hostname ?? input.title;
      expect(entries[0]).toMatchObject({ status: 'DENIED', resourceName: wanted });
    },
  );
});

describe('secrets', () => {
  it('are replaced wherever a row holds them', async () => {
    const { entries } = await entriesOf('createVirtualMachine', {
      projectId: stage.project.id,
      name: 'provisioned',
      spec: {
        cpu: { cores: 1 },
        memory: { sizeMib: 512 },
        provisioning: { method: 'CLOUD_INIT', userData: 'root password: s3cr3t' },
      },
    });
    const after = entries[0]?.details.after as { spec: { provisioning: object } };
    expect(after.spec.provisioning).toEqual({ method: 'CLOUD_INIT', userData: '***' });

    const input = {
      username: 'fresh',
      email: 'fresh@example.test',
      role: 'VIEWER',
      password: 'a long enough password',
    };
    await execute(createUser, input, systemCall());
    const [row] = await world.data.db.auditEntry.findMany({ where: { resourceName: 'fresh' } });
    expect(row?.details).toMatchObject({ after: { username: 'fresh', passwordHash: '***' } });
  });
});

const systemCall = (): Call => ({
  services: world.app.services,
  requestId: newId(),
  viewer: systemViewer('test'),
  ipAddress: null,
  userAgent: '',
  signal: new AbortController().signal,
});

describe('an entry that cannot be written', () => {
  it('undoes the change: there is no change without its entry', async () => {
    const { db } = world.data;
    await db.$executeRawUnsafe(`CREATE FUNCTION refuse_entry() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'the audit log is full'; END $$`);
    await db.$executeRawUnsafe(`CREATE TRIGGER refuse_entry BEFORE INSERT ON audit_log
      FOR EACH ROW WHEN (NEW.action = 'project.create') EXECUTE FUNCTION refuse_entry()`);
    const before = await digest(world.data);
    const { data, errors, headers } = await stage.admin.answer(documentOf('createProject'), {
      input: { name: 'unaudited' },
    });
    expect(data).toBeNull();
    expect(await digest(world.data)).toEqual(before);
    // What the database said is not for the caller; the request id is.
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({
      extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: headers.get('x-request-id') },
    });
    expect(JSON.stringify(errors)).not.toContain('full');
    await db.$executeRawUnsafe('DROP FUNCTION refuse_entry() CASCADE');
    expect(await mutate(stage.admin, 'createProject', { name: 'unaudited' })).toMatchObject({
      dryRun: false,
    });
  });
});

describe('a command that throws what it does not declare', () => {
  const careless = defineCommand({
    name: 'test.careless',
    resourceType: 'Cluster',
    permission: 'cluster:create',
    input: z.object({}),
    errors: [],
    unlocked: 'it is a test',
    async run({ tx, newId: id }) {
      await tx.cluster.create({ data: { id: id(), name: 'careless' } });
      throw new ProtectedError('Cluster');
    },
  });

  it('fails as the bug that it is, and leaves nothing', async () => {
    const before = await digest(world.data);
    const attempt = execute(careless, {}, systemCall());
    await expect(attempt).rejects.toThrow('test.careless does not declare ProtectedError');
    await expect(attempt).rejects.not.toBeInstanceOf(ProtectedError);
    expect(await digest(world.data)).toEqual(before);
  });
});
