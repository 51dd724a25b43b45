/** What each declared filter must find, worked out from the rows themselves: no word of it is shared with the code under test. */
import { getNamedType, isEnumType, isInputObjectType } from 'graphql';
import { decodeGlobalId } from '../../src/ids.js';
import type { Client } from './client.js';
import { getPage, type ListField } from './list-walk.js';
import { api, filterTypeOf, type RootList, toMany, toOne } from './schema-walk.js';

export type Row = { readonly id: string } & Readonly<Record<string, unknown>>;

/** A condition as it is sent, and what it says about a row. */
export interface Atom {
  readonly field: string;
  readonly filter: object;
  holds(row: Row): boolean;
}

type Value = string | number | boolean | null | readonly string[];
/** A column as the API shows it; references by id. */
interface Source {
  readonly selection: string;
  read(row: Row): Value;
}

/** Where a type shows what its filter `name` is about: a field of that name, or one with an id or ids. */
function sourceOf(type: string, name: string): Source {
  const fields = new Set(Object.keys(fieldsOf(type)));
  const relation = toOne(type).find(({ field }) => field === name);
  if (relation) {
    const read = (row: Row) => (row[name] as { id: string } | null)?.id ?? null;
    return { selection: `${name} { id }`, read };
  }
  const many = toMany(type).find(({ field }) => field === `${name}s`);
  if (many) {
    const read = (row: Row) => (row[many.field] as { nodes: Row[] }).nodes.map(({ id }) => id);
    return { selection: `${many.field}(first: 40) { nodes { id } }`, read };
  }
  const shown = [name, `${name}Id`, `${name}Ids`].find((field) => fields.has(field));
  if (!shown) throw new Error(`${type} does not show what its filter ${name} is about`);
  return { selection: shown, read: (row) => row[shown] as Value };
}

function fieldsOf(type: string): object {
  const found = api.getType(type);
  return found && 'getFields' in found ? found.getFields() : {};
}

/** All rows of a list, with everything that its filters are about. */
export async function readRows(client: Client, list: ListField & RootList): Promise<Row[]> {
  const selection = Object.keys(list.filters).map((name) => sourceOf(list.type, name).selection);
  const page = await getPage<Row>(client, list, { first: 500 }, ['id', ...selection].join(' '));
  return [...page.nodes];
}

type Make = (source: Source, rows: readonly Row[], name: string) => Omit<Atom, 'field'>[];

const values = (source: Source, rows: readonly Row[]): Value[] => [
  ...new Set(rows.map((row) => source.read(row))),
];

const texts: Make = (source, rows, name) => {
  const known = values(source, rows).map(String);
  const [some = '', other = ''] = known.filter((value) => value.length > 2);
  const swap = (text: string) =>
    [...text].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('');
  const atom = (condition: object, test: (value: string) => boolean) => ({
    filter: { [name]: condition },
    holds: (row: Row) => test(String(source.read(row))),
  });
  const within = some.slice(1, -1);
  const begin = some.slice(0, 2);
  const has = (value: string, part: string) => value.toLowerCase().includes(part.toLowerCase());
  return [
    atom({ eq: some }, (value) => value === some),
    atom({ eq: swap(some) }, (value) => value === swap(some)),
    atom({ in: [some, other, 'nothing is called so'] }, (v) => v === some || v === other),
    atom({ in: [] }, () => false),
    atom({ contains: swap(within) }, (value) => has(value, within)),
    atom({ contains: '' }, () => true),
    atom({ startsWith: swap(begin) }, (v) => v.toLowerCase().startsWith(begin.toLowerCase())),
    atom({ contains: within, eq: other }, (value) => value === other && has(value, within)),
  ];
};

const references: Make = (source, rows, name) => {
  const idsIn = (row: Row): readonly string[] => {
    const value = source.read(row);
    return Array.isArray(value) ? value : value === null ? [] : [String(value)];
  };
  const [some = '', other = ''] = new Set(rows.flatMap(idsIn));
  const atom = (condition: object, test: (ids: readonly string[]) => boolean) => ({
    filter: { [name]: condition },
    holds: (row: Row) => test(idsIn(row)),
  });
  const two = other ? [some, other] : [some];
  return [
    atom({ eq: some }, (ids) => ids.includes(some)),
    atom({ in: two }, (ids) => two.some((id) => ids.includes(id))),
    atom({ in: [] }, () => false),
    atom({ isNull: true }, (ids) => ids.length === 0),
    atom({ isNull: false }, (ids) => ids.length > 0),
    atom({ eq: some, isNull: true }, () => false),
  ];
};

const flags: Make = (source, _rows, name) =>
  [true, false].map((flag) => ({
    filter: { [name]: flag },
    holds: (row: Row) => source.read(row) === flag,
  }));

const symbols: Make = (source, rows, name) => {
  const known = values(source, rows).filter((value) => value !== null);
  const [some = '', other = ''] = known.map(String);
  return [
    { filter: { [name]: { eq: some } }, holds: (row) => source.read(row) === some },
    {
      filter: { [name]: { in: [some, other] } },
      holds: (row) => [some, other].includes(String(source.read(row))),
    },
    { filter: { [name]: { in: [] } }, holds: () => false },
  ];
};

/** Numbers, large numbers as decimal digits, and moments, as one kind of number. */
const magnitude = (value: Value): bigint | null => {
  if (value === null) return null;
  return /^\d+$/.test(String(value)) ? BigInt(String(value)) : BigInt(Date.parse(String(value)));
};

const ranges: Make = (source, rows, name) => {
  const known = values(source, rows).filter((value) => value !== null);
  const sorted = known.sort((a, b) => ((magnitude(a) ?? 0n) < (magnitude(b) ?? 0n) ? -1 : 1));
  const middle = sorted[Math.floor(sorted.length / 2)] ?? null;
  const limit = magnitude(middle) ?? 0n;
  const atom = (condition: object, test: (value: bigint) => boolean) => ({
    filter: { [name]: condition },
    holds(row: Row) {
      const value = magnitude(source.read(row));
      return value !== null && test(value);
    },
  });
  return [
    atom({ gte: middle }, (value) => value >= limit),
    atom({ gt: middle }, (value) => value > limit),
    atom({ lte: middle }, (value) => value <= limit),
    atom({ lt: middle }, (value) => value < limit),
    atom({ gte: middle, lte: middle }, (value) => value === limit),
    atom({ gt: middle, lt: middle }, () => false),
  ];
};

const MAKERS: Readonly<Record<string, Make>> = {
  TextFilter: texts,
  IdFilter: references,
  IPAddressFilter: symbols,
  Boolean: flags,
  IntFilter: ranges,
  BigIntFilter: ranges,
  DateTimeFilter: ranges,
};

/** Conditions on every filter that a list declares, made of values that are in its rows. */
export function atomsOf(list: RootList, rows: readonly Row[]): Atom[] {
  return Object.entries(list.filters).flatMap(([field, input]) => {
    const make = MAKERS[input] ?? (isEnumFilter(input) ? symbols : undefined);
    if (!make) throw new Error(`no oracle for ${input}`);
    return make(sourceOf(list.type, field), rows, field).map((atom) => ({ ...atom, field }));
  });
}

function isEnumFilter(name: string): boolean {
  const type = api.getType(name);
  return isInputObjectType(type) && isEnumType(getNamedType(type.getFields().eq?.type));
}

/** The types whose ids a filter takes: that of the rows which it refers to, or all (null). */
export function refersTo(rows: readonly Row[], type: string, name: string): string | null {
  const source = sourceOf(type, name);
  const ids = rows.flatMap((row) => source.read(row) ?? []).map(String);
  const types = new Set(ids.map((id) => decodeGlobalId(id)?.type));
  return types.size === 1 ? ([...types][0] ?? null) : null;
}

export const inputOf = (type: string, field: string): string =>
  getNamedType(filterTypeOf(type).getFields()[field]?.type)?.name ?? '';
