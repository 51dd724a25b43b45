/** Following the change feed through the death of an instance: on another one it goes on where it stopped. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { graphql } from '../gen/gql.js';
import type { Client } from '../support/client.js';
import { type Installation, install } from '../support/installation.js';
import { mutate } from '../support/mutations.js';
import type { Served } from '../support/program.js';
import { watch } from '../support/watch.js';

const Followed = graphql(`
  subscription FollowedThroughDeath($after: String) {
    changes(after: $after, types: [CLUSTER]) {
      ... on ObjectChange { cursor version kind object { id ... on Cluster { description } } }
      ... on ChangesResync { reason }
    }
  }
`);
const Begin = graphql(`query BeginToFollow { changes { ... on ChangesPage { cursor } } }`);

let site: Installation;
const served: Served[] = [];
const clients: Client[] = [];
beforeAll(async () => {
  site = await install();
  await site.createUser('root', 'ADMIN');
  served.push(await site.serve(), await site.serve());
  for (const instance of served) clients.push(await instance.signIn('root', site.password));
});
afterAll(async () => {
  for (const { program } of served) await program.dispose();
});

it('a client whose instance is killed between two changes has each of them once, and in order', async () => {
  const [doomed, survivor] = clients as [Client, Client];
  const { changes } = await doomed.run(Begin);
  let after = 'cursor' in changes ? changes.cursor : '';
  const { cluster } = await mutate(survivor, 'createCluster', { name: 'followed' });
  const id = (cluster as { id: string }).id;
  const edit = (n: number) => mutate(survivor, 'updateCluster', { id, description: `${n}` });
  const seen: unknown[] = [];
  const follow = async (client: Client, count: number) => {
    const stream = await watch(client, Followed, { after });
    for (let n = 0; n < count; n += 1) {
      const { changes: change } = await stream.next();
      if (!('cursor' in change)) throw new Error(JSON.stringify(change));
      after = change.cursor;
      seen.push(change.version);
    }
    return stream;
  };
  await edit(2);
  const broken = await follow(doomed, 1);
  served[0]?.program.signal('SIGKILL');
  await served[0]?.program.ended;
  broken.hangUp();
  await edit(3);
  await edit(4);
  const stream = await follow(survivor, 3);
  await edit(5);
  expect((await stream.next()).changes).toMatchObject({
    kind: 'UPDATED',
    version: 5,
    object: { id, description: '5' },
  });
  stream.hangUp();
  expect(seen).toEqual([1, 2, 3, 4]);
});
