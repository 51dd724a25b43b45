/** The settings of the audit log; a part of the model. */
import { duration } from './key.js';

export const audit = {
  about: 'The audit log.',
  keys: {
    retention: duration({
      default: '61320h',
      min: '0s',
      max: '876000h',
      description:
        'How long entries are kept once they are sealed, at least 720h; 0s: for ever. The instance that leads goes by its own file: nobody can shorten it through the API.',
    }),
  },
} as const;
