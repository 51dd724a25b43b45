/** The rules of the house as functions: a file in, complaints out. Each complaint says what is wrong and the way out. */
import { FLOORS, GENERATED, MODULES, parentsOf, SIDEWAYS } from './floors.js';
import type { SourceFile } from './source.js';

export interface Rule {
  readonly name: string;
  check(file: SourceFile): string[];
}

const MAX_LINES = { src: 400, test: 800 };

const roomOf = (path: string): string => path.split('/')[1] ?? '';
const moduleOf = (path: string): string | null =>
  /^src\/modules\/([^/]+)\//.exec(path)?.[1] ?? null;
const isSource = (file: SourceFile): boolean => file.path.startsWith('src/');
const own = (file: SourceFile): string[] => file.imports.filter((path) => path.startsWith('src/'));
const isCommands = (path: string): boolean =>
  /^src\/modules\/.*\/([a-z-]+-)?commands?\.ts$/.test(path);
const isRules = (path: string): boolean => /^src\/modules\/.*(^|\/|-)rules\.ts$/.test(path);

/** A rule on the words of the code: none of `words` outside the `allowed` places. */
function words(
  name: string,
  pattern: RegExp,
  allowed: (file: SourceFile) => boolean,
  wayOut: string,
): Rule {
  return {
    name,
    check(file) {
      if (!isSource(file) || allowed(file)) return [];
      const found = new Set([...file.code.matchAll(pattern)].map(([word]) => word));
      return [...found].map((word) => `${word}: ${wayOut}`);
    },
  };
}

const within =
  (...prefixes: string[]) =>
  (file: SourceFile): boolean =>
    prefixes.some((prefix) => file.path.startsWith(prefix));

const floors: Rule = {
  name: 'a room uses only what is below it',
  check(file) {
    if (!isSource(file)) return [];
    const room = roomOf(file.path);
    const floor = FLOORS[room];
    if (floor === undefined)
      return [`src/${room} has no floor: give it one in test/architecture/floors.ts`];
    return own(file).flatMap((target) => {
      const other = roomOf(target);
      if (other === room || other === 'gen') return [];
      const below = FLOORS[other];
      if (below === undefined) return [`${target} has no floor: give it one, or move it`];
      if (below < floor) return [];
      if (below > floor) {
        return [
          `uses ${target}, which is above: move what both need down, or pass it in as an argument (app.ts wires)`,
        ];
      }
      const together = floor === 0 || floor === 5 || SIDEWAYS.has(`${room} -> ${other}`);
      return together
        ? []
        : [
            `uses ${target}, its neighbour: rooms of one floor do not know each other; join them one floor up`,
          ];
    });
  },
};

const generated: Rule = {
  name: 'generated code is used where it belongs',
  check(file) {
    if (!isSource(file)) return [];
    const room = roomOf(file.path);
    return own(file)
      .filter((target) => roomOf(target) === 'gen')
      .filter(
        (target) =>
          !GENERATED.some(
            ({ prefix, allowed }) =>
              target.startsWith(prefix) && allowed(room, FLOORS[room] ?? Number.NaN),
          ),
      )
      .map(
        (target) =>
          `uses ${target}: the database client is for data and above, Pothos types for graphql, API documents for the agent`,
      );
  },
};

const agent: Rule = {
  name: 'the agent knows the API only',
  check(file) {
    if (roomOf(file.path) !== 'agent') return [];
    return own(file)
      .filter((target) => !['agent', 'gen'].includes(roomOf(target)))
      .filter((target) => (FLOORS[roomOf(target)] ?? 0) > 0)
      .map(
        (target) =>
          `uses ${target}: the agent runs on another machine; ask the API for it (src/agent/documents.ts)`,
      );
  },
};

const modules: Rule = {
  name: 'a module uses only the modules below it',
  check(file) {
    const module = moduleOf(file.path);
    if (!module) return [];
    if (!(module in MODULES)) {
      return [`the module ${module} is unknown: add it to MODULES in test/architecture/floors.ts`];
    }
    const parents = parentsOf(module);
    return own(file).flatMap((target) => {
      const other = moduleOf(target);
      if (!other || other === module || parents.has(other)) return [];
      return [
        `${module} uses ${target}: let ${other} add its own field to ${module}'s type, put the work in the module that is above both, or add the arrow to MODULES if ${other} really is below`,
      ];
    });
  },
};

const commands: Rule = {
  name: "a module does not import another's commands",
  check(file) {
    const module = moduleOf(file.path);
    if (!module) return [];
    return own(file)
      .filter((target) => isCommands(target) && moduleOf(target) !== module)
      .map(
        (target) =>
          `uses ${target}: work that spans modules is a command of the topmost one, in its own transaction; share rules or a helper in a file of its own, never a command`,
      );
  },
};

const IMPURE =
  /\b(?:await|async|Date\.now|Math\.random|(?:performance|crypto|process)\.\w+|fetch|setTimeout|setInterval|setImmediate)\b|\bnew Date\(\s*\)/g;
/** Packages that only compute; `node:net` parses addresses. */
const PURE_PACKAGES = new Set(['zod', 'ipaddr.js', 'node:net']);
/** Enumerations and types, errors, and the parts of core and of modules that only compute. */
const PURE_FILES = [
  /^src\/errors\.ts$/,
  /^src\/gen\/client\//,
  /^src\/core\/(text|json|json-part|input|authz)\.ts$/,
  /^src\/modules\/.*\/(?!schema|queries|commands|subscriptions)[a-z-]+\.ts$/,
];

const pure: Rule = {
  name: 'rules are pure',
  check(file) {
    if (!isRules(file.path)) return [];
    const wayOut =
      'rules get rows and `now` as arguments and return a patch or an error; read, wait and draw lots in the command';
    const wordsFound = new Set([...file.code.matchAll(IMPURE)].map(([word]) => word));
    const foreign = file.imports.filter(
      (target) =>
        isCommands(target) ||
        !(PURE_PACKAGES.has(target) || PURE_FILES.some((pattern) => pattern.test(target))),
    );
    return [
      ...[...wordsFound].map((word) => `${word}: ${wayOut}`),
      ...foreign.map((target) => `uses ${target}: ${wayOut}`),
    ];
  },
};

const literalImports: Rule = {
  name: 'a dynamic import names its module',
  check(file) {
    if (!isSource(file)) return [];
    return /\bimport\s*\(\s*(?!['`)])/.test(file.code)
      ? [
          'import(...) of something computed: name the module literally, so that the floors can be checked',
        ]
      : [];
  },
};

const size: Rule = {
  name: 'a file has a size that can be read',
  check(file) {
    const limit = isSource(file) ? MAX_LINES.src : MAX_LINES.test;
    return file.lines > limit
      ? [`${file.lines} lines, ${limit} at most: split it by noun, never into "utils"`]
      : [];
  },
};

export const RULES: readonly Rule[] = [
  floors,
  generated,
  agent,
  modules,
  commands,
  pure,
  literalImports,
  size,
  words(
    'only config reads the environment',
    /\bprocess\s*(?:\??\.\s*env\b|\??\.?\[)|\benv\b[^{}]*\}\s*=\s*process\b/g,
    within('src/config/'),
    'add a key to src/config/model.ts and take it from the Config',
  ),
  words(
    'only data opens transactions',
    /\$transaction\b/g,
    within('src/data/'),
    'a write is a command (src/core/command.ts); outside one, use data.transaction',
  ),
  words(
    'only data makes database clients',
    /\bnew PrismaClient\b/g,
    within('src/data/'),
    'take the client from the data port (src/data/client.ts)',
  ),
  words(
    'SQL is never built from strings',
    /\$(?:queryRawUnsafe|executeRawUnsafe)\b|\bPrisma\.raw\b/g,
    within('src/cli/demo/insert.ts'), // names of tables and columns, from tables of its own
    'use the tagged $queryRaw`...` and $executeRaw`...`: they send values as parameters',
  ),
  words(
    'only commands of the command line print',
    /\bconsole\s*\.\s*\w+|\bprocess\s*\.\s*std(?:out|err)\b/g,
    within('src/cli/', 'src/main.ts'),
    'log through the Logger (src/log.ts), with a constant message and fields',
  ),
];
