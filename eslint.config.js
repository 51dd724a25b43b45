/** Lint of the public contract, src/schema.graphql. TypeScript is biome's; the relay rules that eslint lacks are in test/conformance. */
import graphqlEslint from '@graphql-eslint/eslint-plugin';

const schema = 'src/schema.graphql';
const { 'flat/schema-recommended': recommended, 'flat/schema-relay': relay } =
  graphqlEslint.configs;

export default [
  {
    files: [schema],
    plugins: { '@graphql-eslint': { rules: graphqlEslint.rules } },
    languageOptions: {
      parser: graphqlEslint.parser,
      parserOptions: { graphQLConfig: { schema } },
    },
    rules: {
      ...recommended.rules,
      ...relay.rules,
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          rootField: true,
          DirectiveDefinition: true,
          EnumValueDefinition: true,
          FieldDefinition: true,
          InputValueDefinition: true,
        },
      ],
      '@graphql-eslint/input-name': [
        'error',
        { checkInputType: true, caseSensitiveInputType: false },
      ],
      '@graphql-eslint/no-scalar-result-type-on-mutation': 'error',
      // `nodes` lists objects without their edges, and lists of scalars and of parts of a spec are no pages.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
      // Only objects of `Node` have an identity; parts of them, events and answers are values.
      // That whatever a connection pages through is a `Node` is a test: test/conformance/conventions.test.ts.
      '@graphql-eslint/strict-id-in-types': 'off',
      // The rule knows no exceptions, and `User.username` is what everybody calls it.
      // test/conformance/conventions.test.ts checks the same, with that one exception.
      '@graphql-eslint/no-typename-prefix': 'off',
    },
  },
];
