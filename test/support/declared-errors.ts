/**
 * Which errors the tests have made each mutation answer with. A declared error that no test provokes is a promise nobody has seen kept,
 * so a run of all tests that misses one fails by its name. Each worker adds what it sees to one file of the run.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { buildSchema, getNamedType, isUnionType, parse } from 'graphql';

/** Names the file in the environment of the run: `<mutation> <error type>` lines, in any order and number. */
export const SEEN_FILE = 'TEST_DECLARED_ERRORS_FILE';

const noted = new Set<string>();

/** Notes the errors in an answer; for a mutation whose document selects `__typename`. */
export function noteAnswer(document: string, data: object | null): void {
  const file = process.env[SEEN_FILE];
  if (!file || !data || !document.includes('mutation')) return;
  const errors = Object.entries(data as Record<string, { __typename?: unknown } | null>).filter(
    ([, answer]) => String(answer?.__typename).endsWith('Error'),
  );
  if (errors.length === 0) return;
  const fields = fieldsOf(document);
  for (const [alias, answer] of errors) {
    const pair = `${fields.get(alias)} ${answer?.__typename}`;
    if (noted.has(pair)) continue;
    noted.add(pair);
    appendFileSync(file, `${pair}\n`);
  }
}

/** The fields of the document's operations, by what they are called in its answer. */
function fieldsOf(document: string): Map<string, string> {
  return new Map(
    parse(document).definitions.flatMap((definition) =>
      definition.kind === 'OperationDefinition'
        ? definition.selectionSet.selections.flatMap((field) =>
            field.kind === 'Field'
              ? [[(field.alias ?? field.name).value, field.name.value] as const]
              : [],
          )
        : [],
    ),
  );
}

/** All pairs that the schema declares, `<mutation> <error type>`, sorted. */
export function declaredErrors(sdl: string): string[] {
  const mutations = Object.values(buildSchema(sdl).getMutationType()?.getFields() ?? {});
  return mutations
    .flatMap(({ name, type }) => {
      const result = getNamedType(type);
      const members = isUnionType(result) ? result.getTypes() : [];
      return members.filter((m) => m.name.endsWith('Error')).map((m) => `${name} ${m.name}`);
    })
    .sort();
}

/** The declared pairs that are in none of the lines of `seen`. */
export function unprovoked(sdl: string, seen: string): string[] {
  const provoked = new Set(seen.split('\n'));
  return declaredErrors(sdl).filter((pair) => !provoked.has(pair));
}

/** The same for what this run has noted. */
export function unprovokedInRun(): string[] {
  const file = process.env[SEEN_FILE];
  if (!file) return [];
  const sdl = readFileSync(new URL('../../src/schema.graphql', import.meta.url), 'utf8');
  return unprovoked(sdl, readFileSync(file, 'utf8'));
}
