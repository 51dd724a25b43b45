/** The tables of errors in the operations guide know all that stops a first boot or a start, and nothing that nobody says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CHECKS } from '../../src/cli/doctor/checks.js';
import { packageRoot } from '../../src/data/migrations.js';

const read = (file: string) => readFileSync(join(packageRoot(), file), 'utf8');
const below = (folder: string) =>
  readdirSync(join(packageRoot(), folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(packageRoot().length + 1));

const guide = read('docs/operations.md').split('## When something is wrong')[1]?.split('\n## ')[0];
/** The cells of each row, by table. */
const tables = (guide ?? '')
  .split(/^\|(?:---\|)+$/m)
  .slice(1)
  .map((text) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .map((line) => line.slice(2, -2).split(' | ')),
  );
const quoted = (table: number, column: number) =>
  (tables[table] ?? []).flatMap((row) =>
    [...(row[column] ?? '').matchAll(/`([^`]+)`/g)].map(([, words = '']) => words),
  );

/** The parts that are the same in each message of its kind. */
const fixed = (text: string, gap: RegExp) =>
  text
    .split(gap)
    .map((part) => part.trim().replace(/^first boot: ?/, ''))
    .filter((part) => /\w{2}/.test(part));
const IN_GUIDE = /\.\.\./;
const IN_CODE = /\$\{[^}]*\}+|\$\w+|\\"/;

/** Whether a message of the guide is this one of the code: its parts are there, in their order. */
function fits(message: string, said: string): boolean {
  let from = 0;
  for (const part of fixed(message, IN_GUIDE)) {
    const at = said.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return from > 0;
}

/** Where something says why it does not start, and how that looks there. */
const SAYERS: readonly (readonly [RegExp, RegExp])[] = [
  [
    /^openrc\/(firstboot|init\.d)\//,
    /\b(?:fail |ew?end \S+ |echo (?="first boot: [^$]))"((?:[^"\\]|\\")+)"/g,
  ],
  [/^src\/data\/(migrate|service-role)\.ts$/, /new (?:Migration|Role)Error\(\s*[`']([^`']+)/g],
  [/^src\/data\/connection\.ts$/, /`(PostgreSQL at [^`]+)`/g],
  [/^src\/cli\/serve\.ts$/, /return `([^`]+)`/g],
  [/^src\/server\/tls\.ts$/, /(?:Error|attempt)\(\s*`([^`]+)`/g],
  [/^src\/server\/persisted-operations\.ts$/, /Error\(\s*`(server\.[^`]+)`/g],
  [/^src\/config\/errors\.ts$/, /`(The configuration has [^`]+)`/g],
];
/** Of "migrate down", which nobody starts with. */
const NOT_AT_A_START = /^There is no migration/;

const files = [...below('src'), ...below('openrc')];
const startErrors = SAYERS.flatMap(([which, how]) =>
  files
    .filter((file) => which.test(file))
    .flatMap((file) => [...read(file).matchAll(how)].map(([, said]) => said ?? ''))
    .filter((said) => fixed(said, IN_CODE).length > 0)
    .filter((said) => !NOT_AT_A_START.test(said)),
);

/** Words of a server, which are not in our code. */
const OF_SERVERS = ['permission denied for database'];

it('have all that stops a first boot or a start', () => {
  const known = quoted(0, 0);
  expect(startErrors.length).toBeGreaterThan(25);
  expect(startErrors.filter((said) => !known.some((message) => fits(message, said)))).toEqual([]);
});

it('have nothing that nobody says', () => {
  const code = [...files.map(read), ...OF_SERVERS];
  const unsaid = [...quoted(0, 0), ...quoted(1, 0)].filter(
    (message) => !code.some((text) => fits(message, text)),
  );
  expect(unsaid).toEqual([]);
});

it('name every check of the doctor, and none that there is not', () => {
  const named = new Set(quoted(2, 1));
  expect([...named].sort()).toEqual(CHECKS.map(({ name }) => name).sort());
});
