/** A Relay application can be built on this API: its compiler takes the schema, and its paging reaches every object once. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { root, schema, sdl } from './schema.js';

const run = promisify(execFile);
const CONFIG = {
  src: './src',
  schema: './schema.graphql',
  language: 'typescript',
  artifactDirectory: './artifacts',
  eagerEsModules: true,
  customScalarTypes: { DateTime: 'string', BigInt: 'string', IPAddress: 'string' },
  persistConfig: { file: './documents.json' },
};

let folder: string;
let documents: string[];

/** Compiles a copy of the fixtures; the documents that Relay would send, by the operation's name. */
async function compile(change: (source: string) => string = (source) => source): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'artifacts'), { recursive: true });
  await cp(join(root, 'test/conformance/relay'), join(folder, 'src'), { recursive: true });
  await writeFile(join(folder, 'schema.graphql'), sdl);
  await writeFile(join(folder, 'relay.config.json'), JSON.stringify(CONFIG));
  await writeFile(join(folder, 'documents.json'), '{}');
  const list = join(folder, 'src/MachineList.js');
  await writeFile(list, change(await readFile(list, 'utf8')));
  await run(join(root, 'node_modules/.bin/relay-compiler'), ['relay.config.json'], { cwd: folder });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quantix-relay-'));
  await compile();
  const text = await readFile(join(folder, 'documents.json'), 'utf8');
  documents = Object.values(JSON.parse(text) as Record<string, string>);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function documentOf(operation: string): string {
  const found = documents.find((text) =>
    new RegExp(`^(query|mutation|subscription) ${operation}\\b`).test(text),
  );
  if (!found) throw new Error(`Relay compiled no ${operation}`);
  return found;
}

describe('relay-compiler', () => {
  it('compiles lists, refetching, mutations that edit lists, and a subscription', () => {
    expect(documents).toHaveLength(10);
    expect(documentOf('MachineListPaginationQuery')).toContain('__typename');
    expect(documentOf('ProjectPageVolumesQuery')).toContain('node(id: $id)');
  });

  it('makes documents that are valid', () => {
    for (const text of documents) expect(validate(schema, parse(text))).toEqual([]);
  });

  it('refuses what the schema does not have', async () => {
    await expect(compile((source) => source.replace('powerState', 'powerSwitch'))).rejects.toThrow(
      'has no field `powerSwitch`',
    );
  });
});

describe("Relay's paging", () => {
  let world: TestApp;
  let operator: Client;
  let projectId: string;
  beforeAll(async () => {
    world = await createTestApp();
    const project = await world.seed.project();
    const pool = await world.seed.pool();
    projectId = project.id;
    for (let i = 0; i < 7; i += 1) await world.seed.vm(project, { name: `vm-${i}` });
    for (let i = 0; i < 45; i += 1) await world.seed.volume(project, pool);
    await world.seed.user('VIEWER', { username: 'vera', projects: { [project.uuid]: 'VIEWER' } });
    operator = await world.signIn('vera');
  });
  afterAll(() => world.stop());

  interface Page {
    readonly edges: readonly { cursor: string; node: { id: string; name: string } }[];
    readonly pageInfo: { endCursor: string | null; hasNextPage: boolean };
  }

  /** Follows a list as usePaginationFragment does. */
  async function walk(document: string, variables: object, pageOf: (data: never) => Page) {
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    for (let more = true; more && pages < 100; pages += 1) {
      const { data, errors } = await operator.answer(document, { ...variables, cursor });
      expect(errors).toEqual([]);
      const page = pageOf(data as never);
      seen.push(...page.edges.map(({ node }) => node.name));
      cursor = page.pageInfo.endCursor;
      more = page.pageInfo.hasNextPage;
    }
    return { seen, pages };
  }

  it('reaches every object of a root list once', async () => {
    const { seen, pages } = await walk(
      documentOf('MachineListPaginationQuery'),
      { count: 3, filter: { name: { startsWith: 'vm-' } } },
      (data: { virtualMachines: Page }) => data.virtualMachines,
    );
    expect(pages).toBe(3);
    expect(seen).toEqual(['vm-0', 'vm-1', 'vm-2', 'vm-3', 'vm-4', 'vm-5', 'vm-6']);
  });

  it("reaches every object of another object's list once", async () => {
    const { seen, pages } = await walk(
      documentOf('ProjectPageVolumesQuery'),
      { id: projectId, orderBy: { field: 'NAME', direction: 'DESC' }, count: 20 },
      (data: { node: { volumes: Page } }) => data.node.volumes,
    );
    expect(pages).toBe(3);
    expect(new Set(seen).size).toBe(45);
    expect(seen).toEqual([...seen].sort().reverse());
  });
});
