/** Scalars: strict on the way in, exact on the way out. */

import { isIP } from 'node:net';
import { GraphQLError, type ValueNode, valueFromASTUntyped } from 'graphql';
import ipaddr from 'ipaddr.js';
import { withArticle } from '../errors.js';
import { builder } from './builder.js';
import { MAX_BIGINT } from './column.js';

function refuse(kind: string, value: unknown, help: string): never {
  const shown = typeof value === 'string' ? `"${value.slice(0, 64)}"` : typeof value;
  throw new GraphQLError(`${shown} is not ${withArticle(kind)}: ${help}`, {
    extensions: { code: 'BAD_USER_INPUT' },
  });
}

const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

function parseDateTime(value: unknown): Date {
  const help = 'use RFC 3339, as in 2026-01-31T12:00:00Z';
  const match = typeof value === 'string' ? DATE_TIME.exec(value) : null;
  if (!match) refuse('DateTime', value, help);
  const [, year, month, day] = match.map(Number);
  const lastDay = new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate();
  if (!month || month > 12 || !day || day > lastDay)
    refuse('DateTime', value, 'there is no such day');
  return new Date(String(value));
}

function parseBigInt(value: unknown): bigint {
  const help =
    'use a whole number from 0 to 9223372036854775807, as a string or, below 2^53, as a number';
  const safe =
    (typeof value === 'string' && /^\d{1,19}$/.test(value)) ||
    (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0);
  const parsed = safe ? BigInt(value as string | number) : -1n;
  return parsed < 0n || parsed > MAX_BIGINT ? refuse('BigInt', value, help) : parsed;
}

/** Without a zone, as in fe80::1%eth0: it means something on one machine only, and PostgreSQL keeps none. */
function isAddress(value: unknown): value is string {
  return typeof value === 'string' && isIP(value) !== 0 && !value.includes('%');
}

function parseIp(value: unknown): string {
  if (isAddress(value)) return value.toLowerCase();
  return refuse('IPAddress', value, 'use 192.0.2.1 or 2001:db8::1, without prefix length or zone');
}

/** Network addresses only: host bits beyond the prefix must be zero. */
function parseCidr(value: unknown): string {
  const help = 'use a network with its prefix length, as in 10.0.0.0/24 or 2001:db8::/64';
  // ipaddr.js also takes what is short for an address (10.1/16 is 10.0.0.1/16), octal and hexadecimal.
  if (typeof value !== 'string' || !isAddress(value.split('/')[0]) || !ipaddr.isValidCIDR(value))
    return refuse('CIDR', value, help);
  const [address, length] = ipaddr.parseCIDR(value);
  const family = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  const network = family.networkAddressFromCIDR(value).toString();
  if (network !== address.toString()) {
    return refuse(
      'CIDR',
      value,
      `bits are set beyond the prefix; you may mean ${network}/${length}`,
    );
  }
  return `${network}/${length}`;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

function parseMac(value: unknown): string {
  const mac = typeof value === 'string' ? value.toLowerCase().replaceAll('-', ':') : '';
  return MAC.test(mac) ? mac : refuse('MACAddress', value, 'use 52:54:00:12:34:56');
}

/** Literals are taken as the value they write down; objects and variables within are not allowed. */
function literal<T>(parse: (value: unknown) => T): (node: ValueNode) => T {
  return (node) => parse(valueFromASTUntyped(node));
}

builder.scalarType('DateTime', {
  description: 'A moment, as RFC 3339 text in UTC with milliseconds.',
  specifiedByURL: 'https://datatracker.ietf.org/doc/html/rfc3339',
  serialize: (value) => value.toISOString(),
  parseValue: parseDateTime,
  parseLiteral: literal(parseDateTime),
});

builder.scalarType('BigInt', {
  description:
    'A whole number, 0 or more. Comes as a string of decimal digits; may be sent as one up to 2^63-1, or as a number below 2^53.',
  serialize: (value) => value.toString(),
  parseValue: parseBigInt,
  parseLiteral: literal(parseBigInt),
});

builder.scalarType('IPAddress', {
  description: 'An IPv4 or IPv6 address without a prefix length.',
  serialize: (value) => value.replace(/\/(32|128)$/, ''),
  parseValue: parseIp,
  parseLiteral: literal(parseIp),
});

builder.scalarType('CIDR', {
  description: 'A network: its first address and its prefix length, as in 10.0.0.0/24.',
  serialize: (value) => value,
  parseValue: parseCidr,
  parseLiteral: literal(parseCidr),
});

builder.scalarType('MACAddress', {
  description: 'A MAC address: six pairs of lower-case hexadecimal digits with colons.',
  serialize: (value) => value,
  parseValue: parseMac,
  parseLiteral: literal(parseMac),
});

builder.scalarType('JSON', {
  description:
    'Free-form data; used only where no type is known beforehand (labels, audit details).',
  serialize: (value) => value,
});
