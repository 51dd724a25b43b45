/** GraphQL over HTTP as its specification has it, audited from outside by graphql-http. */
import { auditServer } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';

let world: TestApp;
let audits: Awaited<ReturnType<typeof auditServer>>;

beforeAll(async () => {
  world = await createTestApp({ config: { server: { host: '127.0.0.1', port: 0 } } });
  const { url } = await world.app.start();
  audits = await auditServer({ url: `${url}/graphql` });
});
afterAll(() => world.stop());

/** Audits whose outcome is not ok, as "name: reason". */
function failing(level: RegExp): string[] {
  return audits
    .filter(({ name }) => level.test(name))
    .flatMap((result) => (result.status === 'ok' ? [] : [`${result.name}: ${result.reason}`]));
}

describe('GraphQL over HTTP', () => {
  it('is audited in full', () => {
    expect(audits.length).toBeGreaterThan(55);
    expect(audits.filter(({ name }) => name.startsWith('MUST')).length).toBeGreaterThanOrEqual(13);
  });

  it('is served as it MUST be', () => {
    expect(failing(/^MUST/)).toEqual([]);
  });

  it('is served as it SHOULD be', () => {
    expect(failing(/^SHOULD/)).toEqual([]);
  });
});
