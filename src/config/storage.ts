/** The settings of storage pools, volumes and images; a part of the model. */
import { ratio } from './key.js';

export const storage = {
  about: 'Storage pools, volumes and images.',
  keys: {
    thin_overcommit: ratio({
      shared: true,
      default: '4.0',
      min: 1,
      max: 100,
      unit: 'times what is there',
      description:
        'Size of thin volumes that a pool promises, for what it holds. Thick volumes always take their size.',
    }),
  },
} as const;
