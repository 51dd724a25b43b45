/** Random operations that a schema allows, and now and then a little more than it allows. */
import fc from 'fast-check';
import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isNonNullType,
  isUnionType,
} from 'graphql';
import {
  type Draw,
  inputValue,
  odds,
  toJson,
  toLiteral,
  type ValueOptions,
  wild,
} from './values.js';

export interface Operation {
  readonly query: string;
  readonly variables: Record<string, unknown>;
  readonly kind: 'query' | 'mutation' | 'subscription';
  /** The mutations' response keys and the fields behind them. */
  readonly roots: readonly { key: string; field: string }[];
}

export interface OperationOptions extends ValueOptions {
  /** Root fields that are left alone. */
  readonly without?: readonly string[];
}

const MAX_DEPTH = 5;

export function operationOf(
  draw: Draw,
  schema: GraphQLSchema,
  kind: Operation['kind'],
  options: OperationOptions,
): Operation {
  const declared: string[] = [];
  const variables: Record<string, unknown> = {};
  const fragments: string[] = [];
  let names = 0;
  const fresh = (stem: string): string => `${stem}${++names}`;

  function argument({ name, type }: GraphQLArgument, about: string): string {
    const value = inputValue(draw, type, options, { name, about, depth: 0 });
    if (!odds(draw, 60)) return `${name}: ${toLiteral(value)}`;
    const variable = fresh('v');
    declared.push(`$${variable}: ${type}`);
    if (options.wildness === 0 || !odds(draw, 2)) variables[variable] = toJson(value);
    return `${name}: $${variable}`;
  }

  function argumentsOf(field: GraphQLField<unknown, unknown>): string {
    // startVirtualMachine and virtualMachine(id) are about a VirtualMachine, and so are their ids.
    const about = field.name.charAt(0).toUpperCase() + field.name.slice(1);
    const noun = field.name.replace(/^[a-z]+(?=[A-Z])/, '');
    const given = field.args.filter(({ name, type }) => {
      if (isNonNullType(type)) return options.wildness === 0 || !odds(draw, 1);
      return odds(draw, ['first', 'filter', 'orderBy'].includes(name) ? 30 : 4);
    });
    const type = schema.getType(about) ? about : noun;
    return given.length > 0 ? `(${given.map((arg) => argument(arg, type)).join(', ')})` : '';
  }

  function directive(): string {
    if (!odds(draw, 4)) return '';
    const variable = fresh('b');
    declared.push(`$${variable}: Boolean!`);
    variables[variable] = options.wildness === 0 || odds(draw, 95) ? odds(draw, 50) : draw(wild);
    return ` @${odds(draw, 50) ? 'include' : 'skip'}(if: $${variable})`;
  }

  function selectionOf(type: GraphQLCompositeType, depth: number): string {
    const parts = odds(draw, 30) ? ['__typename'] : [];
    if (isAbstractType(type)) parts.push('__typename', ...rangesOf(type, depth));
    if (!isUnionType(type)) {
      const fields = Object.values(type.getFields());
      const leaves = fields.filter((field) => !isCompositeType(getNamedType(field.type)));
      const open = depth < MAX_DEPTH ? fields : leaves;
      const chosen =
        open.length > 0
          ? draw(fc.uniqueArray(fc.constantFrom(...open), { minLength: 1, maxLength: 4 }))
          : [];
      parts.push(...chosen.map((field) => fieldOf(field, depth).text));
    }
    return parts.length > 0 ? parts.join(' ') : '__typename';
  }

  function rangesOf(type: GraphQLCompositeType, depth: number): string[] {
    const possible = isAbstractType(type) ? [...schema.getPossibleTypes(type)] : [];
    const chosen = draw(
      fc.uniqueArray(fc.constantFrom<GraphQLObjectType>(...possible), { maxLength: 3 }),
    );
    const refuses = possible.some((each) =>
      each.getInterfaces().some(({ name }) => name === 'UserError'),
    );
    const errors = refuses ? ['... on UserError { code message path retryable }'] : [];
    return [
      ...errors,
      ...chosen.map((each) => {
        if (!odds(draw, 30)) return `... on ${each.name} { ${selectionOf(each, depth + 1)} }`;
        const name = fresh('F');
        // A fragment may, wrongly, contain itself.
        const circle = options.wildness > 0 && odds(draw, 3) ? ` ...${name}` : '';
        fragments.push(
          `fragment ${name} on ${each.name} { ${selectionOf(each, depth + 1)}${circle} }`,
        );
        return `...${name}`;
      }),
    ];
  }

  function fieldOf(
    field: GraphQLField<unknown, unknown>,
    depth: number,
  ): { key: string; text: string } {
    const type = getNamedType(field.type);
    // Fields that could meet under one key with other arguments are told apart.
    const alias = field.args.length > 0 || depth === 0 ? fresh('k') : null;
    const inner = isCompositeType(type) ? ` { ${selectionOf(type, depth + 1)} }` : '';
    const text = `${alias ? `${alias}: ` : ''}${field.name}${argumentsOf(field)}${directive()}${inner}`;
    return { key: alias ?? field.name, text };
  }

  const root = {
    query: schema.getQueryType(),
    mutation: schema.getMutationType(),
    subscription: schema.getSubscriptionType(),
  }[kind];
  if (!root) throw new Error(`the schema has no ${kind}`);
  const fields = Object.values(root.getFields()).filter(
    ({ name }) => !options.without?.includes(name),
  );
  const count = kind === 'subscription' ? 1 : draw(fc.constantFrom(1, 1, 1, 2));
  const chosen = Array.from({ length: count }, () => {
    const field = draw(fc.constantFrom(...fields));
    return { field: field.name, ...fieldOf(field, 0) };
  });
  const header = declared.length > 0 ? `(${declared.join(', ')})` : '';
  const body = chosen.map(({ text }) => text).join('\n  ');
  return {
    kind,
    query: [`${kind} Fuzz${header} {\n  ${body}\n}`, ...fragments].join('\n'),
    variables,
    roots: chosen.map(({ key, field }) => ({ key, field })),
  };
}
