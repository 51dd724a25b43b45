/** Commands that the command line gives as the system itself: through the write gate, without being a member of anything. */
import type { Config } from '../config/model.js';
import { systemViewer } from '../core/authz.js';
import type { Call } from '../core/context.js';
import type { Data } from '../data/client.js';
import { newId } from '../ids.js';
import type { Logger } from '../log.js';
import type { ServicesOptions } from '../services.js';

export interface Caller {
  /** What was called, for the audit: `user create`. */
  readonly command: string;
  /** As whom: `system:<name>`. */
  readonly name?: string;
  /** A database that is open, and stays so. */
  readonly data?: Data;
}

/** Opens what the configuration names for `work`, and closes it again. Never in memory: what is written there would be gone at once. */
export async function asSystem<T>(
  { config, log }: { readonly config: Config; readonly log: Logger },
  { command, name = 'command-line', data }: Caller,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  // Loaded only now: whoever mistyped a word should not wait for a server to load.
  const { openServices } = await import('../services.js');
  const options: ServicesOptions = { log, alone: true, ...(data ? { data } : {}) };
  const { services, close } = await openServices(
    { ...config, database: { ...config.database, fallback: 'refuse' } },
    options,
  );
  try {
    return await work({
      services,
      requestId: newId(),
      viewer: systemViewer(name),
      ipAddress: null,
      userAgent: `qx-controlplane ${command}`,
      signal: new AbortController().signal,
    });
  } finally {
    await close();
  }
}
