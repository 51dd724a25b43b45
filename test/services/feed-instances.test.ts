/** Several instances on one PostgreSQL: what one of them does not announce, and a database that is not the one it was. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../src/config/load.js';
import type { Data } from '../../src/data/client.js';
import { openData } from '../../src/data/open.js';
import { ephemeralKeys } from '../../src/ephemeral/keys.js';
import { graphql } from '../gen/gql.js';
import { createTestApp, postgresConfig, type TestApp } from '../support/app.js';
import { bulk } from '../support/bulk.js';
import type { Client } from '../support/client.js';
import { createStage, mutate, type Stage } from '../support/mutations.js';
import { until } from '../support/until.js';
import { watch } from '../support/watch.js';
import { silent } from './data-fixtures.js';

const VmChanged = graphql(`
  subscription InstancesVmChanged($id: ID) {
    virtualMachineChanged(id: $id) { kind virtualMachine { description } }
  }
`);
const Changes = graphql(`
  query InstancesChanges($after: String) {
    changes(after: $after) {
      ... on ChangesPage { cursor changes { version } }
      ... on ChangesResync { cursor reason }
    }
  }
`);

/** Each has its own ephemeral adapter: as if Redis delivered nothing. */
let one: TestApp;
let other: TestApp;
let data: Data;
let config: Awaited<ReturnType<typeof postgresConfig>>;
let stage: Stage;
let there: Client;
beforeAll(async () => {
  config = await postgresConfig();
  data = await openData(config, silent);
  one = await createTestApp({ data });
  other = await createTestApp({ data, config: { server: { port: 0, host: '127.0.0.1' } } });
  await other.app.start();
  stage = await createStage(one);
  there = await other.signIn('stage-admin');
});
afterAll(async () => {
  await other.stop();
  await one.stop();
  await data.close();
});

const describeVm = (client: Client, id: string, description: string) =>
  mutate(client, 'updateVirtualMachine', { id, description });

describe('a change that another instance made and could not announce', () => {
  it('is heard by the subscribers here, once, and the cache is told first', async () => {
    const vm = await one.seed.vm(stage.project);
    const stream = await watch(there, VmChanged, { id: vm.id });
    const next = async () => (await stream.next()).virtualMachineChanged;
    expect(await next()).toMatchObject({ kind: 'SNAPSHOT' });
    const { ephemeral, hints } = other.app.services;
    const generation = () => ephemeral.get(ephemeralKeys.generation('VirtualMachine'));
    const before = await generation();
    const generations: (string | null)[] = [];
    const entries: (string | undefined)[] = [];
    const stop = hints.listen(({ type, entry }) => {
      if (type !== 'VirtualMachine') return;
      entries.push(entry);
      void generation().then((now) => generations.push(now));
    });
    await describeVm(stage.admin, vm.id, 'elsewhere');
    expect(await next()).toMatchObject({
      kind: 'UPDATED',
      virtualMachine: { description: 'elsewhere' },
    });
    // Its own changes it announces itself: the follower has nothing to add.
    await describeVm(there, vm.id, 'here');
    expect(await next()).toMatchObject({ virtualMachine: { description: 'here' } });
    await describeVm(stage.admin, vm.id, 'elsewhere again');
    expect(await next()).toMatchObject({ virtualMachine: { description: 'elsewhere again' } });
    stop();
    stream.hangUp();
    expect(new Set(entries).size).toBe(3);
    expect(entries).toHaveLength(3);
    expect(generations[0]).not.toBe(before);
  });

  const REPEATS: readonly [string, string, (client: Client, id: string) => Promise<unknown>][] = [
    [
      'a single one',
      'told-by-repeat',
      (client) =>
        mutate(client, 'createCluster', {
          name: 'told-by-repeat',
          idempotencyKey: 'told-by-repeat',
        }),
    ],
    [
      'all or nothing of many',
      'told-by-bulk',
      (client, id) =>
        bulk(client, 'bulkLabelVirtualMachines', {
          ids: [id],
          mode: 'ATOMIC',
          set: { told: 'told-by-bulk' },
          idempotencyKey: 'told-by-bulk',
        }),
    ],
  ];

  it.each(REPEATS)(
    'shows in what is read after the answer to its repeat here, although nobody told the cache: %s',
    async (_what, word, request) => {
      const apart = await openData(config, silent); // writes of others are not heard on its connections
      const third = await createTestApp({ data: apart });
      try {
        const there = await third.signIn('stage-admin');
        const vm = await one.seed.vm(stage.project);
        const read = async () => {
          const { data } = await there.answer<object, { id: string }>(
            'query ($id: ID!) { clusters { nodes { name } } virtualMachine(id: $id) { labels } }',
            { id: vm.id },
          );
          return JSON.stringify(data);
        };
        await read();
        await request(stage.admin, vm.id);
        expect(await read()).not.toContain(word);
        await request(there, vm.id);
        expect(await read()).toContain(word);
      } finally {
        await third.stop();
        await apart.close();
      }
    },
  );

  it('is not repeated when its announcement arrives after all', async () => {
    const vm = await one.seed.vm(stage.project);
    const { hints } = other.app.services;
    const heard: string[] = [];
    const stop = hints.listen(({ id, entry }) => {
      if (id === vm.uuid) heard.push(entry ?? 'none');
    });
    await describeVm(stage.admin, vm.id, 'late');
    await until('the follower told of it', () => heard.length === 1);
    const [entry = ''] = heard;
    const hint = { type: 'VirtualMachine', id: vm.uuid, projectId: null, kind: 'UPDATED' } as const;
    await hints.announce([{ ...hint, entry }, hint]);
    stop();
    expect(heard).toEqual([entry, 'none']);
  });
});

describe('a database that was restored into another cluster', () => {
  it('begins a new epoch at the next start: old cursors are told so, entries from before are not', async () => {
    const vm = await one.seed.vm(stage.project);
    await describeVm(stage.admin, vm.id, 'before');
    const ask = async (client: Client, after?: string) => {
      const { changes } = await client.run(Changes, { after: after ?? null });
      return changes as { cursor: string; reason?: string; changes?: unknown[] };
    };
    const { cursor } = await ask(stage.admin);
    const { epoch, cluster } = await data.db.changeFeed.findFirstOrThrow();
    await data.db.changeFeed.updateMany({ data: { cluster: 'where the dump was made' } });
    const again = await openData(config, silent);
    const restored = await createTestApp({ data: again });
    try {
      const row = await again.db.changeFeed.findFirstOrThrow();
      const { _max } = await again.db.auditEntry.aggregate({ _max: { seq: true } });
      expect(row).toMatchObject({ epoch: epoch + 1, cluster, begunSeq: _max.seq });
      await restored.seed.user('ADMIN', { username: 'afterwards' });
      const afterwards = await restored.signIn('afterwards');
      const stale = await ask(afterwards, cursor);
      expect(stale).toMatchObject({ reason: 'RESTORED' });
      await describeVm(afterwards, vm.id, 'after');
      expect(await ask(afterwards, stale.cursor)).toMatchObject({ changes: [{ version: 3 }] });
    } finally {
      await restored.stop();
      await again.close();
    }
    const unchanged = await openData(config, silent);
    expect(await unchanged.db.changeFeed.findFirstOrThrow()).toMatchObject({ epoch: epoch + 1 });
    await unchanged.close();
  });

  it('in memory is another one in every process', async () => {
    const open = () => openData(defaultConfig({ mode: 'dev' }), silent);
    const both = [await open(), await open()];
    const rows = await Promise.all(both.map(({ db }) => db.changeFeed.findFirstOrThrow()));
    expect(rows[0]?.begunAt).not.toEqual(rows[1]?.begunAt);
    await Promise.all(both.map((opened) => opened.close()));
  });
});
