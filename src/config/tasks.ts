/** The settings of operations that take a while, and of what they delete; a part of the model. */
import { duration } from './key.js';

export const tasks = {
  about: 'Operations that outlive their request.',
  keys: {
    timeout: duration({
      shared: true,
      default: '10m',
      description: 'A task that takes longer fails.',
    }),
    job_timeout: duration({
      shared: true,
      default: '2h',
      description: 'A migration, snapshot, or job on volumes or images that takes longer fails.',
    }),
    graceful_stop_timeout: duration({
      shared: true,
      default: '60s',
      description:
        'A guest that has not shut down by itself within this time is switched off. Shorter than timeout.',
    }),
    retention: duration({
      shared: true,
      default: '720h',
      min: '1m',
      max: '87600h',
      description: 'How long finished tasks are kept.',
    }),
  },
} as const;

export const deletion = {
  about: 'What becomes of deleted virtual machines.',
  keys: {
    retention: duration({
      shared: true,
      default: '24h',
      min: '0s',
      max: '87600h',
      description: 'How long deleted virtual machines can be restored. 0s: they are gone at once.',
    }),
  },
} as const;
