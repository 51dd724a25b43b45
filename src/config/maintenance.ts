/** The settings of emptying nodes; a part of the model. */
import { duration, integer } from './key.js';

export const maintenance = {
  about: 'Emptying nodes that are to go out of service.',
  keys: {
    max_migrations_per_cluster: integer({
      shared: true,
      default: 5,
      min: 1,
      max: 1000,
      unit: 'migrations',
      description:
        'Nodes are emptied with so many migrations at once in a cluster; those that people began count, too.',
    }),
    max_migrations_per_node: integer({
      shared: true,
      default: 2,
      min: 1,
      max: 100,
      unit: 'migrations',
      description: 'A node is emptied with so many migrations at once.',
    }),
    retry_after: duration({
      shared: true,
      default: '1m',
      min: '1s',
      description: 'How long a machine stays where it is after its migration came to nothing.',
    }),
  },
} as const;
