/** Argument values: some that a careful caller would send, some that nobody should. */
import fc from 'fast-check';
import {
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';

/** Draws from an arbitrary; fast-check records the draws, so that a failure can be repeated. */
export type Draw = <T>(arbitrary: fc.Arbitrary<T>) => T;

/** An enum value, which a document writes without quotes. */
export class Symbolic {
  constructor(readonly name: string) {}
}

const nasty = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\u202eabc',
  '\u{1F600}'.repeat(20),
  'é'.normalize('NFD'),
  '__proto__',
  'constructor',
  'null',
  '-1',
  '1e999',
  "'; DROP TABLE users; --",
  '%_\\',
  '{{7*7}}',
  '../../etc/passwd',
  '\r\nSet-Cookie: a=b',
  'x'.repeat(5_000),
  '00000000-0000-0000-0000-000000000000',
  'VmlydHVhbE1hY2hpbmU6',
  Buffer.from('VirtualMachine:not-a-uuid').toString('base64'),
  Buffer.from('Nothing:00000000-0000-7000-8000-000000000000').toString('base64'),
  Buffer.from('__proto__:00000000-0000-7000-8000-000000000000').toString('base64url'),
];
const numbers = [
  0,
  1,
  -1,
  2,
  3,
  7,
  16,
  255,
  256,
  1024,
  4095,
  65_536,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 63),
  1e300,
  0.1,
  -0.5,
  1.5,
];

const whole = fc.integer({ min: -10, max: 2_000 });
const nastyText = fc.constantFrom(...nasty);
const anyText = fc.oneof(nastyText, fc.string({ unit: 'binary', maxLength: 30 }));
const name = fc.constantFrom(
  'a',
  'web-1',
  'vm-1',
  'default',
  'node-1',
  'project-1',
  'a'.repeat(63),
);
const anyNumber = fc.oneof(fc.constantFrom(...numbers), whole);
const anyJson = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constant(JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":1}}') as unknown),
  fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 })),
  fc.constant(Array.from({ length: 60 }).reduce((inner) => [inner], 1 as unknown)),
);

const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  String: fc.oneof({ arbitrary: name, weight: 4 }, { arbitrary: anyText, weight: 1 }),
  Int: fc.oneof(
    { arbitrary: fc.integer({ min: 1, max: 64 }), weight: 5 },
    { arbitrary: fc.constantFrom(0, -1, 512, 4096, 2 ** 31 - 1, -(2 ** 31)), weight: 1 },
  ),
  Float: fc.oneof(
    { arbitrary: fc.integer({ min: 0, max: 100 }), weight: 3 },
    { arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }), weight: 1 },
  ),
  Boolean: fc.boolean(),
  BigInt: fc.constantFrom('0', '1', '1073741824', '9223372036854775807', 5, 2 ** 53 - 1),
  DateTime: fc.constantFrom(
    '2026-01-31T12:00:00Z',
    '0001-01-01T00:00:00Z',
    '2026-06-30T23:59:59.123Z',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999+14:00',
    '2024-02-29T23:59:59-12:00',
  ),
  IPAddress: fc.constantFrom(
    '192.0.2.1',
    '::1',
    '2001:DB8::1',
    '255.255.255.255',
    '::ffff:192.0.2.1',
    'fe80::1%eth0',
  ),
  CIDR: fc.constantFrom('10.0.0.0/24', '0.0.0.0/0', '2001:db8::/64', '::/0', '192.0.2.1/32'),
  MACAddress: fc.constantFrom('52:54:00:12:34:56', 'FF-FF-FF-FF-FF-FF'),
  JSON: fc.oneof(
    { arbitrary: fc.dictionary(name, name, { maxKeys: 3 }), weight: 4 },
    { arbitrary: anyJson, weight: 1 },
  ),
};

/** What a caller would put into a field of this name, where the type alone does not tell. */
const named: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  first: fc.integer({ min: 1, max: 20 }),
  last: fc.integer({ min: 1, max: 20 }),
  expectedVersion: fc.constantFrom(1, 1, 1, 2, 3),
  idempotencyKey: fc.constantFrom('k1', 'k2', 'k3', 'k4'),
  email: fc.constantFrom('a@example.test', 'b@example.test', 'x'),
  username: fc.constantFrom('ada', 'otto', 'nobody', 'new-user'),
  password: fc.constantFrom('correct horse battery', 'another good password', 'x'),
  sequence: fc.constantFrom('1', '2', '3', '9223372036854775807'),
  agentInstance: fc.constantFrom('0190c3a0-0000-7000-8000-000000000000', 'x'),
  // What an agent reports of: as it was told, and at the ends of the column.
  generation: fc.constantFrom(0, 1, 2, 3, 2 ** 31 - 1, 2 ** 31 - 2, -1),
  sizeMib: fc.constantFrom(256, 1024, 4096, 1),
  cores: fc.constantFrom(1, 2, 4, 300),
  userData: fc.constantFrom('#cloud-config', '#cloud-config', 'x'.repeat(70_000)),
};
/** Where a name is an object's id, and of which type. */
const TYPE_OF_NAME: Readonly<Record<string, string>> = {
  node: 'HypervisorNode',
  pool: 'StoragePool',
  network: 'VirtualNetwork',
  vm: 'VirtualMachine',
  group: 'SecurityGroup',
  snapshot: 'VirtualMachineSnapshot',
};

/** Anything that JSON can say. */
export const wild: fc.Arbitrary<unknown> = fc.oneof(
  anyText,
  anyNumber,
  fc.boolean(),
  fc.constant(null),
  anyJson,
  fc.array(anyText, { maxLength: 3 }),
);

export interface ValueOptions {
  /** Ids of objects that exist, by type. */
  readonly ids: Readonly<Record<string, readonly string[]>>;
  /** How often, out of 100, something is sent that the type does not allow. */
  readonly wildness: number;
}

/** Where a value stands: its name, and the type that an `id` there most likely means. */
export interface Place {
  readonly name: string;
  readonly about: string;
  readonly depth: number;
}

export const odds = (draw: Draw, outOf100: number): boolean =>
  draw(fc.noBias(fc.integer({ min: 0, max: 99 }))) < outOf100;

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

function idFor(draw: Draw, { name: at, about }: Place, ids: ValueOptions['ids']): string {
  const stem = at.replace(/Ids?$/, '');
  const noun = stem.match(/[A-Z]?[a-z]+$/)?.[0].toLowerCase() ?? '';
  const type = [capital(stem), TYPE_OF_NAME[stem], TYPE_OF_NAME[noun], capital(noun), about].find(
    (candidate) => candidate !== undefined && ids[candidate],
  );
  const fitting = ids[type ?? ''] ?? [];
  if (fitting.length > 0 && !odds(draw, 15)) return draw(fc.constantFrom(...fitting));
  const all = Object.values(ids).flat();
  return all.length > 0 && odds(draw, 50) ? draw(fc.constantFrom(...all)) : draw(nastyText);
}

/** A value for an argument or an input field; enum values are Symbolic. */
export function inputValue(
  draw: Draw,
  type: GraphQLInputType,
  options: ValueOptions,
  place: Place,
): unknown {
  if (odds(draw, options.wildness)) return draw(wild);
  const { depth } = place;
  if (isNonNullType(type)) return present(draw, type.ofType, options, place);
  return depth > 0 && odds(draw, 5) ? null : present(draw, type, options, place);

  function present(
    draw: Draw,
    type: GraphQLInputType,
    options: ValueOptions,
    place: Place,
  ): unknown {
    if (isListType(type)) {
      const length = depth > 4 ? 0 : draw(fc.constantFrom(0, 1, 1, 2, 3));
      const inner = { ...place, depth: depth + 1 };
      return Array.from({ length }, () => inputValue(draw, type.ofType, options, inner));
    }
    if (isEnumType(type))
      return new Symbolic(draw(fc.constantFrom(...type.getValues().map((value) => value.name))));
    if (isInputObjectType(type)) {
      const chosen = Object.values(type.getFields()).filter((field) => {
        if (isNonNullType(field.type) && field.defaultValue === undefined)
          return options.wildness === 0 || !odds(draw, 1);
        return odds(draw, depth > 3 ? 10 : 35);
      });
      return Object.fromEntries(
        chosen.map(({ name: at, type: inner }) => [
          at,
          inputValue(draw, inner, options, { ...place, name: at, depth: depth + 1 }),
        ]),
      );
    }
    if (isNonNullType(type)) return inputValue(draw, type, options, place);
    if (type.name === 'ID') return idFor(draw, place, options.ids);
    return draw((odds(draw, 90) && named[place.name]) || (scalars[type.name] ?? wild));
  }
}

/** The value as variables carry it. */
export function toJson(value: unknown): unknown {
  if (value instanceof Symbolic) return value.name;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== 'object' || value === null) return value;
  // Not by assignment: that would lose a key called __proto__.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

/** The value as a document writes it. */
export function toLiteral(value: unknown): string {
  if (value instanceof Symbolic) return value.name;
  if (Array.isArray(value)) return `[${value.map(toLiteral).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([key]) => /^[_A-Za-z]\w*$/.test(key));
  return `{ ${fields.map(([key, item]) => `${key}: ${toLiteral(item)}`).join(', ')} }`;
}
