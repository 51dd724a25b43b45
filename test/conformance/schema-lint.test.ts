/** The public contract in the eyes of tools that others wrote. */
import { createRequire } from 'node:module';
import { ESLint } from 'eslint';
import { assertValidSchema, parse, print } from 'graphql';
import { describe, expect, it } from 'vitest';
import { root, schema, sdl } from './schema.js';

/** What graphql-schema-linter's files export, of which it ships no types. */
interface SchemaLinter {
  readonly configuration: { Configuration: new (schema: object, options: object) => LinterConfig };
  readonly validator: {
    validateSchemaDefinition(
      schema: object,
      rules: unknown,
      configuration: LinterConfig,
    ): { ruleName: string; message: string }[];
  };
}
interface LinterConfig {
  getRules(): { name: string }[];
  validate(): { message: string }[];
}

const { configuration, validator } = createRequire(import.meta.url)(
  'graphql-schema-linter',
) as SchemaLinter;

const RULES = [
  'relay-connection-types-spec',
  'relay-connection-arguments-spec',
  'relay-page-info-spec',
  'types-are-capitalized',
  'types-have-descriptions',
  'fields-are-camel-cased',
  'fields-have-descriptions',
  'arguments-have-descriptions',
  'input-object-values-are-camel-cased',
  'input-object-values-have-descriptions',
  'enum-values-all-caps',
  'enum-values-have-descriptions',
  'deprecations-have-a-reason',
  'defined-types-are-used',
];

function schemaLint(definition: string): string[] {
  const input = { definition, sourceMap: { getOriginalPathForLine: () => 'schema.graphql' } };
  const config = new configuration.Configuration(input, { rules: RULES });
  if (config.validate().length > 0 || config.getRules().length !== RULES.length) {
    throw new Error('graphql-schema-linter does not know all of the rules');
  }
  return validator
    .validateSchemaDefinition(input, config.getRules(), config)
    .map(({ ruleName, message }) => `${ruleName}: ${message}`);
}

describe('src/schema.graphql', () => {
  it('is a valid schema that survives parsing and printing', () => {
    assertValidSchema(schema);
    expect(parse(print(parse(sdl))).definitions).toHaveLength(parse(sdl).definitions.length);
  });

  it('pleases graphql-eslint', async () => {
    const [result] = await new ESLint({ cwd: root }).lintFiles(['src/schema.graphql']);
    expect(result?.messages).toEqual([]);
  });

  it('would not please graphql-eslint with a field less described', async () => {
    const text = sdl.replace(/ {2}"""[^"]*"""\n {2}allowedOperations/, '  allowedOperations');
    expect(text).not.toBe(sdl);
    const eslint = new ESLint({ cwd: root });
    const [result] = await eslint.lintText(text, { filePath: 'src/schema.graphql' });
    expect(result?.messages.map(({ ruleId }) => ruleId)).toEqual([
      '@graphql-eslint/require-description',
    ]);
  });

  it("pleases graphql-schema-linter, Relay's rules included", () => {
    expect(schemaLint(sdl)).toEqual([]);
  });

  it('would not please graphql-schema-linter with a connection out of shape', () => {
    const text = sdl.replace(
      /(type VolumeConnection \{[\s\S]*?)pageInfo: PageInfo!/,
      '$1page: PageInfo!',
    );
    expect(schemaLint(text)).toEqual([expect.stringContaining('relay-connection-types-spec')]);
  });
});
