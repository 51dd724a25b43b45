/** `changes`: what each viewer is told of, in what words, from which place on, and what a cursor is worth. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeFeedCursor, encodeFeedCursor } from '../../src/core/feed-cursor.js';
import { FEED_TYPES } from '../../src/modules/change-feed/follow.js';
import { graphql } from '../gen/gql.js';
import type { FeedPageQuery } from '../gen/graphql.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { createStage, mutate, type Stage } from '../support/mutations.js';
import { operate } from '../support/operations.js';
import { nodeTypes } from '../support/schema-walk.js';
import { watch } from '../support/watch.js';

const Changes = graphql(`
  query FeedPage($after: String, $first: Int, $types: [ChangedType!], $projectId: ID) {
    changes(after: $after, first: $first, types: $types, projectId: $projectId) {
      __typename
      ... on ChangesPage {
        cursor hasMore
        changes {
          cursor type id kind projectId version at action requestId actor
          object { __typename id ... on VirtualMachine { name description } ... on Cluster { name } }
        }
      }
      ... on ChangesResync { cursor reason }
    }
  }
`);
const Followed = graphql(`
  subscription FeedFollowed($after: String, $types: [ChangedType!], $projectId: ID) {
    changes(after: $after, types: $types, projectId: $projectId) {
      __typename
      ... on ObjectChange { cursor type id kind version object { id ... on VirtualMachine { description } } }
      ... on ChangesResync { cursor reason }
    }
  }
`);
type Page = Extract<FeedPageQuery['changes'], { __typename: 'ChangesPage' }>;

let world: TestApp;
let stage: Stage;
let member: Client;
let outsider: Client;
beforeAll(async () => {
  world = await createTestApp({ config: { deletion: { retentionMs: 60_000 } } });
  stage = await createStage(world);
  const projects = { [stage.project.uuid]: 'OPERATOR' } as const;
  await world.seed.user('OPERATOR', { username: 'member', projects });
  await world.seed.user('OPERATOR', { username: 'outsider' });
  member = await world.signIn('member');
  outsider = await world.signIn('outsider');
});
afterAll(() => world.stop());

type Variables = Parameters<typeof ask>[1];
const ask = async (
  client: Client,
  variables: { after?: string; first?: number; types?: string[]; projectId?: string },
) => (await client.run(Changes, variables as never)).changes;
const page = async (client: Client, variables: Variables = {}): Promise<Page> => {
  const answer = await ask(client, variables);
  if (answer.__typename !== 'ChangesPage') throw new Error(`no page but ${answer.reason}`);
  return answer;
};
const now = async (client: Client) => (await page(client)).cursor;
const told = (changes: Page['changes']) => changes.map(({ kind, type }) => `${kind} ${type}`);
const since = async (client: Client, after: string, more: Variables = {}) =>
  (await page(client, { after, first: 100, ...more })).changes;
const describeVm = (id: string, description: string, client = stage.admin) =>
  mutate(client, 'updateVirtualMachine', { id, description });

describe('a change', () => {
  it('is told with its object as it now is, and who did it', async () => {
    const after = await now(member);
    const vm = await world.seed.vm(stage.project);
    await describeVm(vm.id, 'one');
    await describeVm(vm.id, 'two', member);
    const changes = await since(member, after);
    expect(changes).toMatchObject([
      {
        type: 'VIRTUAL_MACHINE',
        id: vm.id,
        kind: 'UPDATED',
        projectId: stage.project.id,
        version: 2,
        action: 'virtualMachine.update',
        actor: 'stage-admin',
        object: { __typename: 'VirtualMachine', id: vm.id, description: 'two' },
      },
      { version: 3, actor: 'member' },
    ]);
    expect(new Set(changes.map(({ requestId }) => requestId)).size).toBe(2);
  });

  it('of the infrastructure is told to everybody, without the name of who did it', async () => {
    const after = await now(outsider);
    const { cluster } = await mutate(stage.admin, 'createCluster', { name: 'for-all' });
    expect(await since(outsider, after)).toMatchObject([
      {
        kind: 'CREATED',
        type: 'CLUSTER',
        id: (cluster as { id: string }).id,
        projectId: null,
        version: 1,
        actor: null,
        object: { name: 'for-all' },
      },
    ]);
  });

  it('that was refused, changed nothing, or was only tried is not told', async () => {
    const vm = await world.seed.vm(stage.project);
    const after = await now(stage.admin);
    const answers = [
      await mutate(outsider, 'updateVirtualMachine', { id: vm.id, description: 'x' }),
      await mutate(stage.admin, 'updateVirtualMachine', { id: vm.id, name: vm.name }),
      await mutate(stage.admin, 'updateVirtualMachine', {
        id: vm.id,
        description: 'x',
        dryRun: true,
      }),
    ];
    expect(answers[0]?.__typename).toBe('NotFoundError');
    expect(await since(stage.admin, after)).toEqual([]);
  });

  it('of a user is told to that user and administrators alone', async () => {
    const user = await world.seed.user('VIEWER', { username: 'renamed' });
    const renamed = await world.signIn('renamed');
    const clients = [renamed, stage.admin, member];
    const cursors = await Promise.all(clients.map(now));
    await mutate(stage.admin, 'updateUser', { id: user.id, email: 'new@example.test' });
    const [self, admin, other] = await Promise.all(
      clients.map((client, i) => since(client, cursors[i] as string)),
    );
    expect([self, admin].map((changes) => told(changes ?? []))).toEqual([
      ['UPDATED USER'],
      ['UPDATED USER'],
    ]);
    expect(other).toEqual([]);
  });

  it('has no type that the feed does not know', () => {
    expect([...FEED_TYPES, 'AuditEntry'].sort()).toEqual([...nodeTypes].sort());
  });
});

describe('what comes into sight and goes out of it', () => {
  it('is a machine that moves: created for one project, deleted for the other, changed for who sees both', async () => {
    const to = await world.seed.project();
    await world.seed.user('VIEWER', { username: 'there', projects: { [to.uuid]: 'VIEWER' } });
    const there = await world.signIn('there');
    const vm = await world.seed.vm(stage.project);
    const clients = [member, there, stage.admin, outsider];
    const cursors = await Promise.all(clients.map(now));
    await mutate(stage.admin, 'moveVirtualMachine', { id: vm.id, projectId: to.id });
    const types = ['VIRTUAL_MACHINE'];
    const answers = await Promise.all(
      clients.map((client, i) => since(client, cursors[i] as string, { types })),
    );
    const seen = answers.map((changes) =>
      changes.map(({ kind, projectId, object }) => [kind, projectId, object?.id ?? null]),
    );
    expect(seen).toEqual([
      [['DELETED', stage.project.id, null]],
      [['CREATED', to.id, vm.id]],
      [['UPDATED', to.id, vm.id]],
      [],
    ]);
    const [left] = await since(stage.admin, cursors[2] as string, { projectId: stage.project.id });
    expect(left).toMatchObject({ kind: 'DELETED', object: null });
  });

  it('is a machine that goes into the bin and out again; what becomes of it inside is not told', async () => {
    const vm = await world.seed.vm(stage.project);
    const after = await now(member);
    await operate(stage.admin, 'DELETE', vm.id);
    await mutate(stage.admin, 'restoreVirtualMachine', { id: vm.id });
    await operate(stage.admin, 'DELETE', vm.id);
    await mutate(stage.admin, 'purgeVirtualMachine', { id: vm.id });
    const changes = await since(member, after, { types: ['VIRTUAL_MACHINE'] });
    expect(changes.filter(({ id }) => id === vm.id).map(({ kind }) => kind)).toEqual([
      'DELETED',
      'CREATED',
      'DELETED',
    ]);
  });

  it('is an image that is published to a project or to all, changed meanwhile, and withdrawn', async () => {
    const elsewhere = await world.seed.project();
    const image = await world.seed.image({ projectId: elsewhere.uuid });
    const [after, others] = [await now(member), await now(outsider)];
    const { id } = image;
    const here = { id, projectId: stage.project.id };
    await mutate(stage.admin, 'publishImage', here);
    await mutate(stage.admin, 'updateImage', { id, description: 'shared' });
    await mutate(stage.admin, 'publishImage', { id, everybody: true });
    await mutate(stage.admin, 'unpublishImage', { id, everybody: true });
    await mutate(stage.admin, 'unpublishImage', here);
    await mutate(stage.admin, 'updateImage', { id, description: 'not yours' });
    const kinds = (changes: Page['changes']) => changes.map(({ kind }) => kind);
    expect(kinds(await since(member, after))).toEqual([
      'CREATED',
      'UPDATED',
      'UPDATED',
      'UPDATED',
      'DELETED',
    ]);
    expect(kinds(await since(outsider, others))).toEqual(['CREATED', 'DELETED']);
  });
});

describe('a page', () => {
  it('of any size leads to the next, and together they are all of it, once', async () => {
    const vms = await world.seed.vms(stage.project, 7);
    const after = await now(member);
    for (const vm of vms) await describeVm(vm.id, 'paged');
    for (let first = 1; first <= 8; first += 1) {
      const ids: string[] = [];
      let [cursor, more] = [after, true];
      while (more) {
        const read = await page(member, { after: cursor, first });
        expect(read.changes.length).toBeLessThanOrEqual(first);
        ids.push(...read.changes.map(({ id }) => id));
        [cursor, more] = [read.cursor, read.hasMore];
      }
      expect(ids).toEqual(vms.map(({ id }) => id));
    }
    const all = await since(member, after);
    const rest = await since(member, all[2]?.cursor ?? '');
    expect(rest.map(({ id }) => id)).toEqual(vms.slice(3).map(({ id }) => id));
  });

  it('is one statement, and one more for the objects of each type in it', async () => {
    const vms = await world.seed.vms(stage.project, 5);
    const after = await now(member);
    for (const vm of vms) await describeVm(vm.id, 'counted');
    await mutate(stage.admin, 'createCluster', { name: 'counted' });
    const read = (fields: string) =>
      world.statementsOf(async () => {
        const { data } = await member.answer<{ changes: { changes: unknown[] } }, never>(
          `query ($after: String) { changes(after: $after) { ... on ChangesPage { changes { ${fields} } } } }`,
          { after },
        );
        expect(data?.changes.changes).toHaveLength(6);
      });
    const audits = (all: string[]) => all.filter((sql) => /audit_log/.test(sql)).length;
    const [bare, full] = [await read('id kind'), await read('id object { id }')];
    expect([audits(bare), audits(full), full.length - bare.length]).toEqual([1, 1, 2]);
  });

  it('tells only of the types that were asked for', async () => {
    const vm = await world.seed.vm(stage.project);
    const after = await now(member);
    await describeVm(vm.id, 'typed');
    await mutate(stage.admin, 'createCluster', { name: 'typed' });
    expect(told(await since(member, after, { types: ['CLUSTER'] }))).toEqual(['CREATED CLUSTER']);
    expect(await since(member, after, { types: ['VOLUME'] })).toEqual([]);
  });

  it('of a project tells of nothing else, and of a project that one does not see there is none', async () => {
    const after = await now(stage.admin);
    const vm = await world.seed.vm(stage.project);
    await describeVm(vm.id, 'within');
    await mutate(stage.admin, 'createCluster', { name: 'without' });
    const within = await since(stage.admin, after, { projectId: stage.project.id });
    expect(told(within)).toEqual(['UPDATED VIRTUAL_MACHINE']);
    const answer = await outsider.answer(Changes, { projectId: stage.project.id });
    expect(answer.errors).toMatchObject([
      { extensions: { code: 'NOT_FOUND', path: ['projectId'] } },
    ]);
  });
});

describe('a cursor', () => {
  const refusal = async (after: string) => (await member.answer(Changes, { after })).errors;

  it('that was not made here, or was changed, is refused', async () => {
    const good = await now(member);
    const decoded = decodeFeedCursor(good);
    const other = encodeFeedCursor({ ...decoded, from: { ...decoded.from, xmax: -1 } });
    const ofList = Buffer.from('["VirtualMachine","NAME","ASC","a","b"]');
    for (const wrong of [
      '',
      'x',
      good.slice(1),
      `${good}A`,
      `${good}=`,
      good.toUpperCase(),
      other,
      ofList.toString('base64url'),
      'A'.repeat(60_000),
      '\u{1F600}',
    ]) {
      expect(await refusal(wrong)).toMatchObject([
        { extensions: { code: 'BAD_USER_INPUT', path: ['after'] } },
      ]);
    }
  });

  const RESYNC = { __typename: 'ChangesResync', cursor: expect.any(String) };

  it('of somebody with other rights begins anew, and so does one’s own when they have changed', async () => {
    const mine = await now(member);
    expect(await ask(outsider, { after: mine })).toEqual({ ...RESYNC, reason: 'RIGHTS_CHANGED' });
    const project = await world.seed.project();
    const joiner = await world.seed.user('VIEWER', { username: 'joiner' });
    const client = await world.signIn('joiner');
    const before = await now(client);
    await world.data.db.projectMember.create({
      data: { projectId: project.uuid, userId: joiner.uuid, role: 'VIEWER' },
    });
    const again = await world.signIn('joiner');
    const answer = await ask(again, { after: before });
    expect(answer).toEqual({ ...RESYNC, reason: 'RIGHTS_CHANGED' });
    const vm = await world.seed.vm(project);
    await describeVm(vm.id, 'after joining');
    expect(told(await since(again, answer.cursor))).toEqual(['UPDATED VIRTUAL_MACHINE']);
  });

  it('from another life of the database begins anew', async () => {
    const after = await now(member);
    const decoded = decodeFeedCursor(after);
    const ahead = {
      ...decoded.from,
      xmax: decoded.from.xmax + 1000,
      next: decoded.from.next + 1000,
    };
    for (const foreign of [
      { ...decoded, era: 'other' },
      { ...decoded, from: ahead },
    ]) {
      const answer = await ask(member, { after: encodeFeedCursor(foreign) });
      expect(answer).toEqual({ ...RESYNC, reason: 'RESTORED' });
      expect((await page(member, { after: answer.cursor })).changes).toEqual([]);
    }
  });

  it('older than what is kept begins anew, one that is not goes on', async () => {
    const vm = await world.seed.vm(stage.project);
    const old = await now(member);
    await describeVm(vm.id, 'pruned');
    await describeVm(vm.id, 'kept');
    const [pruned, kept] = await since(member, old);
    const { seq } = decodeFeedCursor(pruned?.cursor ?? '');
    await world.data.db.changeFeed.update({ where: { id: 1 }, data: { prunedSeq: seq } });
    expect(await ask(member, { after: old })).toEqual({ ...RESYNC, reason: 'EXPIRED' });
    expect(await since(member, pruned?.cursor ?? '')).toMatchObject([{ id: kept?.id, version: 3 }]);
    const stream = await watch(member, Followed, { after: old });
    const first = (await stream.next()).changes;
    expect(first).toEqual({ ...RESYNC, reason: 'EXPIRED' });
    await describeVm(vm.id, 'followed');
    expect((await stream.next()).changes).toMatchObject({ id: vm.id, version: 4 });
    stream.hangUp();
    await world.data.db.changeFeed.update({ where: { id: 1 }, data: { prunedSeq: 0 } });
  });
});

describe('a subscription', () => {
  it('tells what came after the cursor, then each change as it is made', async () => {
    const vm = await world.seed.vm(stage.project);
    const after = await now(member);
    await describeVm(vm.id, 'missed');
    const stream = await watch(member, Followed, { after, types: ['VIRTUAL_MACHINE'] as never });
    expect((await stream.next()).changes).toMatchObject({ id: vm.id, kind: 'UPDATED', version: 2 });
    await mutate(stage.admin, 'createCluster', { name: 'not-followed' });
    await describeVm(vm.id, 'live');
    const live = (await stream.next()).changes;
    expect(live).toMatchObject({ version: 3, object: { description: 'live' } });
    stream.hangUp();
    await describeVm(vm.id, 'while away');
    const cursor = live.__typename === 'ObjectChange' ? live.cursor : '';
    const again = await watch(member, Followed, { after: cursor });
    expect((await again.next()).changes).toMatchObject({ version: 4 });
    again.hangUp();
  });

  it('without a cursor tells from now on; a client that reads slowly misses nothing, and nothing is kept for it', async () => {
    const [vm] = await world.seed.vms(stage.project, 1);
    const { hints } = world.app.services;
    await describeVm(vm?.id ?? '', 'before');
    const stream = await watch(member, Followed, {});
    for (let n = 0; n < 60; n += 1) await describeVm(vm?.id ?? '', `change ${n}`);
    const versions = [];
    for (let n = 0; n < 60; n += 1) {
      const { changes } = await stream.next();
      if (changes.__typename === 'ObjectChange') versions.push(changes.version);
    }
    expect(versions).toEqual(Array.from({ length: 60 }, (_, n) => n + 3));
    const listening = hints.listeners();
    stream.hangUp();
    await expect.poll(() => hints.listeners()).toBe(listening - 1);
  });

  it('with a cursor that is none, or for a project out of sight, is refused at once', async () => {
    for (const [variables, code] of [
      [{ after: 'x' }, 'BAD_USER_INPUT'],
      [{ projectId: stage.project.id }, 'NOT_FOUND'],
    ] as const) {
      const stream = await watch(outsider, Followed, variables);
      expect(await stream.event()).toMatchObject({ errors: [{ extensions: { code } }] });
      expect(await stream.event()).toBeNull();
    }
  });
});
