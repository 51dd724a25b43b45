import type { Services } from '../../core/context.js';

/** Whether answers are kept and used now. Not in a fallback: its answers are not those of the database that others answer from. */
export function isUsable({ config, generations, data }: Services): boolean {
  return (
    config.cache.enabled === 'on' &&
    generations.shared &&
    (config.mode === 'dev' || data.persistent)
  );
}
