/** The settings of what callers may ask for; a part of the model. */
import { bytes, duration, integer } from './key.js';

export const limits = {
  about: 'What one caller, or all of them, may ask for.',
  keys: {
    requests_per_minute_address: integer({
      shared: true,
      default: 600,
      min: 0,
      max: 10_000_000,
      unit: 'requests a minute',
      description:
        'Most GraphQL requests from one address without a credential that counts. 0: no limit.',
    }),
    requests_per_minute_principal: integer({
      shared: true,
      default: 6000,
      min: 0,
      max: 10_000_000,
      unit: 'requests a minute',
      description:
        'Most GraphQL requests of one user or agent, wherever they come from. 0: no limit.',
    }),
    cost_per_minute_principal: integer({
      shared: true,
      default: 1_000_000,
      min: 0,
      max: 1_000_000_000,
      unit: 'points a minute',
      description:
        'Most that the operations of one user or agent may cost, wherever they come from; docs/limits.md says what costs how much. 0: no limit.',
    }),
    max_request_bytes: bytes({
      default: '256KiB',
      min: '1KiB',
      max: '64MiB',
      description: 'Largest request body.',
    }),
    max_query_tokens: integer({
      default: 2000,
      min: 100,
      max: 100_000,
      unit: 'tokens',
      description: 'Longest GraphQL document.',
    }),
    max_query_depth: integer({
      default: 15,
      min: 1,
      max: 100,
      unit: 'levels',
      description: 'Deepest nesting of a GraphQL document.',
    }),
    max_query_aliases: integer({
      default: 50,
      min: 0,
      max: 10_000,
      unit: 'aliases',
      description:
        'Most aliases of a document, its fragments expanded: each can do the same work once more.',
    }),
    max_query_directives: integer({
      default: 50,
      min: 0,
      max: 10_000,
      unit: 'directives',
      description: 'Most directives of a document, its fragments expanded.',
    }),
    max_query_fields: integer({
      default: 5000,
      min: 10,
      max: 1_000_000,
      unit: 'fields',
      description: 'Most fields of a document, its fragments expanded.',
    }),
    max_query_cost: integer({
      default: 50_000,
      min: 100,
      max: 10_000_000,
      unit: 'points',
      description:
        'Most that one operation may cost, with the page sizes that it asks for; docs/limits.md says what costs how much.',
    }),
    max_list_items: integer({
      default: 2000,
      min: 1,
      max: 100_000,
      unit: 'items',
      description: 'Most items of a list, or keys of an object, in arguments and variables.',
    }),
    max_text_length: integer({
      default: 65_536,
      min: 100,
      max: 10_000_000,
      unit: 'characters',
      description: 'Longest text in arguments and variables.',
    }),
    max_page_size: integer({
      shared: true,
      default: 500,
      min: 1,
      max: 10_000,
      unit: 'items',
      description: 'Most items one page of a list can be asked for.',
    }),
    default_page_size: integer({
      shared: true,
      default: 50,
      min: 1,
      max: 10_000,
      unit: 'items',
      description: 'Items of a page when the caller names no number. At most max_page_size.',
    }),
    subscriptions_per_socket: integer({
      shared: true,
      default: 50,
      min: 1,
      max: 10_000,
      unit: 'subscriptions',
      description: 'Most subscriptions at once on one WebSocket.',
    }),
    subscriptions_per_principal: integer({
      default: 200,
      min: 1,
      max: 1_000_000,
      unit: 'subscriptions',
      description:
        'Most subscriptions at once of one user or agent in this process, over all transports.',
    }),
    sockets_per_principal: integer({
      default: 50,
      min: 1,
      max: 1_000_000,
      unit: 'sockets',
      description:
        'Most WebSockets at once of one user or agent in this process; of one address for those who are not signed in.',
    }),
    max_sockets: integer({
      default: 5000,
      min: 1,
      max: 1_000_000,
      unit: 'sockets',
      description: 'Most WebSockets at once in this process.',
    }),
    max_subscribers: integer({
      shared: true,
      default: 2000,
      min: 1,
      max: 1_000_000,
      unit: 'subscriptions',
      description: 'Most subscriptions at once in this process.',
    }),
    lock_wait: duration({
      shared: true,
      default: '5s',
      description: 'Longest wait of a command for its locks.',
    }),
    queue_wait: duration({
      default: '10s',
      description: 'Longest time a command waits for its turn before it is refused as busy.',
    }),
    max_queued_commands: integer({
      default: 1000,
      min: 1,
      max: 100_000,
      unit: 'commands',
      description: 'Most commands waiting at once; more are refused as busy.',
    }),
  },
} as const;
