/** `server { members leader }`: who runs, for whoever is signed in. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';

const MEMBERS =
  '{ server { members { id address version startedAt leader redis self } leader { id } } }';

let world: TestApp;
beforeAll(async () => {
  world = await createTestApp({ config: { server: { advertiseAddress: 'vdc.example:8443' } } });
});
afterAll(() => world.stop());

it('without etcd an instance is the only member, and leads', async () => {
  await world.seed.user('VIEWER', { username: 'vera' });
  const vera = await world.signIn('vera');
  const { data } = await vera.answer(MEMBERS);
  const id = world.app.services.coordination.id;
  expect(data).toEqual({
    server: {
      members: [
        {
          id,
          address: 'vdc.example:8443',
          version: expect.stringMatching(/\d/),
          startedAt: expect.stringMatching(/Z$/),
          leader: true,
          redis: true,
          self: true,
        },
      ],
      leader: { id },
    },
  });
});

it('who is not signed in does not learn who runs', async () => {
  const { data, errors } = await world.anonymous.answer(MEMBERS);
  expect(data).toEqual({ server: { members: null, leader: null } });
  expect(errors?.length).toBe(2);
});
