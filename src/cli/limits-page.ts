/** docs/limits.md: the figures stand in the model of the configuration and in the code that counts, and are printed from there. */
import { entries } from '../config/entries.js';
import { COST } from '../server/cost.js';
import { MAX_VALUE_DEPTH } from '../server/value-size.js';

const row = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
const initial = (path: string): string =>
  String(entries.find((entry) => entry.path === path)?.key.initial);

/** What is refused before anything runs, in the order in which a request meets it. */
const ORDER: readonly (readonly [string, string, string])[] = [
  ['limits.max_request_bytes', 'the body', '`REQUEST_ENTITY_TOO_LARGE`, 413'],
  ['limits.max_query_tokens', 'tokens of the document', '`GRAPHQL_PARSE_FAILED`'],
  ['limits.max_query_depth', 'levels of fields', '`QUERY_TOO_DEEP`'],
  ['limits.max_query_aliases', 'aliases', '`QUERY_TOO_LARGE`'],
  ['limits.max_query_directives', 'directives', '`QUERY_TOO_LARGE`'],
  ['limits.max_query_fields', 'fields', '`QUERY_TOO_LARGE`'],
  ['limits.max_list_items', 'items of a list, keys of an object', '`QUERY_TOO_LARGE`'],
  ['limits.max_text_length', 'characters of a text', '`QUERY_TOO_LARGE`'],
  ['limits.max_query_cost', 'points of one operation', '`QUERY_TOO_LARGE`'],
  ['limits.cost_per_minute_principal', 'points of a caller in a minute', '`RATE_LIMITED`, 429'],
  ['limits.max_page_size', '`first` and `last`', '`BAD_USER_INPUT`'],
];

const PRICES: readonly (readonly [string, number])[] = [
  ['an object that may be returned; a page counts as full', COST.object],
  ['a list', COST.list],
  ['`totalCount` of a list', COST.totalCount],
  ['a mutation; of a bulk mutation, each of its objects', COST.write],
  ['`__schema` or `__type`', COST.introspection],
];

export function printLimits(header: string): string {
  const order = ORDER.map(([path, what, answer]) =>
    row(what, `\`${path}\``, `\`${initial(path)}\``, answer),
  );
  const prices = PRICES.map(([what, points]) => row(what, String(points)));
  return `${header}# Limits

Every request is measured before anything of it runs: queries, mutations and subscriptions, over HTTP, server-sent events and WebSocket alike.
Fragments count wherever they are spread, and page sizes as the variables say. All figures can be set: [configuration.md](configuration.md).

${row('what', 'setting', 'default', 'beyond it')}${row('---', '---', '---', '---')}${order.join('')}
Values may be nested ${MAX_VALUE_DEPTH} deep. Introspection has the depth that the engine allows it.

## What an operation costs

${row('for', 'points')}${row('---', '---')}${prices.join('')}
A list below a list multiplies: \`projects(first: 10) { nodes { virtualMachines(first: 20) { nodes { id } } } }\` costs 1 + 10 x (1 + 1 + 20) = 221.
At least 1. The bill is the same whatever is found, so a client can know it before it asks.

## What a caller may spend

A user or an agent has \`limits.cost_per_minute_principal\` points a minute on all instances together (on each by itself while Redis is away).
Every answer that was executed says how it stands:

\`\`\`json
{ "extensions": { "cost": { "requested": 221, "limit": 1000000, "remaining": 999779, "resetMs": 41200 } } }
\`\`\`

What does not fit into the rest is refused as \`RATE_LIMITED { retryAfterMs }\`, takes nothing of it, and smaller operations go on. A subscription is
charged once, when it begins. An answer from the cache costs nothing and shows no \`cost\`: the number of requests bounds those. Reports of agents are
charged and never refused, for a node that cannot report is taken for dead. Whoever is not signed in has no budget, and can ask for next to nothing;
their requests are counted by address.

## Time

A query or mutation has \`server.request_timeout\`. Then it is answered \`UNAVAILABLE\`, its transaction is rolled back, and what PostgreSQL is still at is
cancelled 200 ms later; the same when its client has gone. With the embedded database of \`--dev\` nothing can be cancelled.

## Sockets and subscriptions

${row('at once', 'setting', 'default', 'beyond it')}${row('---', '---', '---', '---')}${[
  row(
    'WebSockets of a process',
    '`limits.max_sockets`',
    `\`${initial('limits.max_sockets')}\``,
    'HTTP 503',
  ),
  row(
    'of a caller, or of an address that nobody signed in from',
    '`limits.sockets_per_principal`',
    `\`${initial('limits.sockets_per_principal')}\``,
    'closed with 4429',
  ),
  row(
    'operations on a socket',
    '`limits.subscriptions_per_socket`',
    `\`${initial('limits.subscriptions_per_socket')}\``,
    '`TOO_MANY_SUBSCRIPTIONS`',
  ),
  row(
    'subscriptions of a caller, over all transports',
    '`limits.subscriptions_per_principal`',
    `\`${initial('limits.subscriptions_per_principal')}\``,
    '`TOO_MANY_SUBSCRIPTIONS`',
  ),
  row(
    'subscriptions of a process',
    '`limits.max_subscribers`',
    `\`${initial('limits.max_subscribers')}\``,
    '`UNAVAILABLE`',
  ),
].join('')}
## Documents and the schema

\`server.introspection\`: in production the schema is told to nobody, or with \`on\` to whoever is signed in. \`server.persisted_operations\`: with \`allow\`, a
client may send the SHA-256 of a document (\`extensions.persistedQuery.sha256Hash\`, or \`documentId\`) that stands in \`server.persisted_operations_file\`; with
\`require\`, nothing else is answered, to administrators neither, for a stolen session of one is what such a list protects from. A text that is on the list
may be sent as it is. Agents bring their own documents. The file is what the code generator of clients writes; it is read again within a second after
it changed, and one that is no good is logged while the old list goes on to count.

## TLS and proxies

With \`server.tls_cert_file\` and \`server.tls_key_file\` the server speaks HTTPS itself, TLS 1.2 or newer. Replaced files are shown to new connections within
a second; a pair that does not belong together is logged, and the old one goes on. Behind a proxy, name it in \`server.trusted_proxies\`: only from there are
\`X-Forwarded-For\` (from its end, as far as every hop is trusted) and \`X-Forwarded-Proto\` believed.
`;
}
