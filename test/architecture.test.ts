/** The house keeps its shape: every rule holds for every file, and every rule notices when it does not. */
import { describe, expect, it } from 'vitest';
import { MODULES, parentsOf } from './architecture/floors.js';
import { RULES } from './architecture/rules.js';
import { parseSource, readSources } from './architecture/source.js';

const files = [...readSources('src'), ...readSources('test')];

function complaints(name: string, sources = files): string[] {
  const rule = RULES.find((candidate) => candidate.name === name);
  if (!rule) throw new Error(`no rule is called "${name}"`);
  return sources.flatMap((file) =>
    rule.check(file).map((complaint) => `${file.path} breaks "${name}": ${complaint}`),
  );
}

describe('the tree', () => {
  it.each(RULES.map(({ name }) => name))('%s', (name) => {
    expect(complaints(name)).toEqual([]);
  });

  it('is read wholly, generated code left out', () => {
    const paths = files.map(({ path }) => path);
    expect(paths).toContain('src/core/command.ts');
    expect(paths).toContain('src/modules/virtual-machine/rules.ts');
    expect(paths).toContain('test/architecture.test.ts');
    expect(paths.filter((path) => path.includes('/gen/'))).toEqual([]);
    const imports = files.flatMap((file) => file.imports);
    expect(imports.filter((path) => path.startsWith('src/')).length).toBeGreaterThan(500);
  });

  it('has a folder for each module of the table, and its arrows run in no circle', () => {
    for (const module of Object.keys(MODULES)) {
      expect(files.some(({ path }) => path.startsWith(`src/modules/${module}/`))).toBe(true);
      expect(parentsOf(module)).not.toContain(module);
    }
    expect(() => parentsOf('a', { a: ['b'], b: ['c'], c: ['a'] })).toThrow('a -> b -> c -> a');
  });
});

/** What each rule must notice: where the violation stands, its text, and what the complaint says. */
const PLANTED: readonly [rule: string, path: string, text: string, says: string][] = [
  [
    'a room uses only what is below it',
    'src/core/x.ts',
    "import { a } from '../graphql/builder.js';",
    'neighbour',
  ],
  [
    'a room uses only what is below it',
    'src/core/x.ts',
    "import type { A } from '../modules/user/queries.js';",
    'above',
  ],
  [
    'a room uses only what is below it',
    'src/config/x.ts',
    "export * from '../core/authz.js';",
    'above',
  ],
  [
    'a room uses only what is below it',
    'src/log.ts',
    "const a = await import('./app.js');",
    'above',
  ],
  [
    'a room uses only what is below it',
    'src/data/x.ts',
    "import '../coordination/keys.js';",
    'neighbour',
  ],
  [
    'a room uses only what is below it',
    'src/ephemeral/x.ts',
    "import { a } from '../data/client.js';",
    'neighbour',
  ],
  [
    'a room uses only what is below it',
    'src/controllers/x.ts',
    "import { a } from '../server/auth.js';",
    'neighbour',
  ],
  [
    'a room uses only what is below it',
    'src/server/x.ts',
    "import { a } from '../schema.js';",
    'neighbour',
  ],
  [
    'a room uses only what is below it',
    'src/server/plugins/x.ts',
    "import {\n  a,\n} from '../../app.js';",
    'above',
  ],
  ['a room uses only what is below it', 'src/helpers/x.ts', '', 'no floor'],
  [
    'a room uses only what is below it',
    'src/core/x.ts',
    "import { a } from '../helpers/a.js';",
    'no floor',
  ],
  [
    'generated code is used where it belongs',
    'src/log.ts',
    "import { A } from './gen/client/client.js';",
    'database client',
  ],
  [
    'generated code is used where it belongs',
    'src/server/x.ts',
    "import { A } from '../gen/pothos-types.js';",
    'Pothos',
  ],
  [
    'generated code is used where it belongs',
    'src/agent/x.ts',
    "import { A } from '../gen/client/enums.js';",
    'agent',
  ],
  [
    'the agent knows the API only',
    'src/agent/x.ts',
    "import { a } from '../core/authz.js';",
    'ask the API',
  ],
  [
    'a module uses only the modules below it',
    'src/modules/cluster/x.ts',
    "import { a } from '../node/queries.js';",
    'add its own field',
  ],
  [
    'a module uses only the modules below it',
    'src/modules/virtual-machine/x.ts',
    "import { a } from '../report/rules.js';",
    'above both',
  ],
  ['a module uses only the modules below it', 'src/modules/parking/x.ts', '', 'MODULES'],
  [
    "a module does not import another's commands",
    'src/modules/report/x.ts',
    "import { a } from '../node/commands.js';",
    'topmost',
  ],
  [
    "a module does not import another's commands",
    'src/modules/report/x.ts',
    "import { a } from '../virtual-machine/power-commands.js';",
    'topmost',
  ],
  [
    "a module does not import another's commands",
    'src/modules/report/x.ts',
    "import { a } from '../virtual-machine/delete-command.js';",
    'topmost',
  ],
  [
    'rules are pure',
    'src/modules/node/rules.ts',
    "import { a } from '../../data/client.js';",
    'in the command',
  ],
  [
    'rules are pure',
    'src/modules/node/rules.ts',
    "import { a } from './queries.js';",
    'in the command',
  ],
  [
    'rules are pure',
    'src/modules/node/rules.ts',
    "import { readFileSync } from 'node:fs';",
    'in the command',
  ],
  ['rules are pure', 'src/modules/node/rules.ts', 'const a = Date.now();', 'Date.now'],
  ['rules are pure', 'src/modules/node/rules.ts', 'const a = new Date();', 'new Date()'],
  ['rules are pure', 'src/modules/node/rules.ts', 'const a = Math.random();', 'Math.random'],
  ['rules are pure', 'src/modules/node/rules.ts', 'async function a() {}', 'async'],
  ['rules are pure', 'src/modules/node/lifecycle-rules.ts', 'const a = await b;', 'await'],
  [
    'a dynamic import names its module',
    'src/cli/x.ts',
    'const a = await import(name);',
    'literally',
  ],
  ['a file has a size that can be read', 'src/core/x.ts', 'a;\n'.repeat(401), '401 lines, 400'],
  ['a file has a size that can be read', 'test/x.test.ts', 'a;\n'.repeat(801), '801 lines, 800'],
  [
    'only config reads the environment',
    'src/cli/x.ts',
    'const a = process.env.HOME;',
    'config/model.ts',
  ],
  [
    'only config reads the environment',
    'src/cli/x.ts',
    "const a = process['env'];",
    'config/model.ts',
  ],
  [
    'only config reads the environment',
    'src/cli/x.ts',
    'const { env } = process;',
    'config/model.ts',
  ],
  [
    'only config reads the environment',
    'src/cli/x.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template literal is what is planted
    'const a = `${process.env.HOME}`;',
    'config/model.ts',
  ],
  [
    'only data opens transactions',
    'src/core/x.ts',
    'await db.$transaction([]);',
    'data.transaction',
  ],
  ['only data makes database clients', 'src/app.ts', 'const a = new PrismaClient();', 'data port'],
  [
    'SQL is never built from strings',
    'src/data/x.ts',
    'await tx.$queryRawUnsafe(sql);',
    '$queryRaw`',
  ],
  [
    'SQL is never built from strings',
    'src/data/x.ts',
    'await tx.$executeRawUnsafe(sql);',
    '$executeRaw`',
  ],
  ['SQL is never built from strings', 'src/data/x.ts', 'const a = Prisma.raw(sql);', '$queryRaw`'],
  ['only commands of the command line print', 'src/server/x.ts', "console.log('a');", 'Logger'],
  [
    'only commands of the command line print',
    'src/core/x.ts',
    "process.stderr.write('a');",
    'Logger',
  ],
];

describe('the rules', () => {
  it.each(PLANTED)('notice a file that breaks "%s": %s', (rule, path, text, says) => {
    const found = complaints(rule, [parseSource(path, text)]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${path} breaks "${rule}": `);
    expect(found[0]).toContain(says);
  });

  it('are each tried with at least one violation', () => {
    expect([...new Set(PLANTED.map(([rule]) => rule))].sort()).toEqual(
      RULES.map(({ name }) => name).sort(),
    );
  });

  it.each([
    ['src/graphql/x.ts', "import { a } from '../core/command.js';"],
    ['src/modules/virtual-machine/x.ts', "import { a } from '../user/queries.js';"],
    [
      'src/modules/node/rules.ts',
      "import { InvalidStateError } from '../../errors.js';\nconst a = new Date(now);",
    ],
    ['src/cli/x.ts', "import { a } from '../app.js';\nconsole.log(a);"],
    [
      'src/server/x.ts',
      "// console.log(process.env.HOME)\nconst a = 'https://console.example.org process.env';",
    ],
    ['src/core/x.ts', "/** import { a } from '../server/auth.js'; */\nconst a = 1;"],
    ['src/data/x.ts', 'await db.$transaction((tx) => tx.$queryRaw`SELECT 1`);'],
  ])('find nothing wrong with %s %j', (path, text) => {
    const file = parseSource(path, text);
    expect(RULES.flatMap((rule) => rule.check(file))).toEqual([]);
  });
});
