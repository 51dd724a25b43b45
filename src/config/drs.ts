/** The settings of load balancing; a part of the model. */
import { duration } from './key.js';

export const drs = {
  about: 'Recommendations of load balancing.',
  keys: {
    recommendation_max_age: duration({
      shared: true,
      default: '24h',
      min: '1m',
      description:
        'A recommendation that nobody has carried out by then is EXPIRED: the load that it was made for has passed.',
    }),
  },
} as const;
