/** The settings of the response cache; a part of the model. */
import { bytes, choice, duration } from './key.js';

export const cache = {
  about: 'Answers of queries that are kept for whoever asks the same again.',
  keys: {
    enabled: choice(['on', 'off'], {
      shared: true,
      default: 'on',
      description:
        'Whether answers are kept. They are given up at the first change of anything that they show. Without Redis, production keeps none.',
    }),
    ttl: duration({
      shared: true,
      default: '60s',
      min: '50ms',
      description: 'How long an answer is kept at most, give or take a tenth.',
    }),
    max_entry_bytes: bytes({
      shared: true,
      default: '256KiB',
      min: '1KiB',
      max: '16MiB',
      description: 'Larger answers are not kept.',
    }),
  },
} as const;
