/** What every operation is given: the process's services, and the call it serves. */

import type { Clock } from '../clock.js';
import type { Config } from '../config/model.js';
import type { Coordination, Leadership } from '../coordination/coordination.js';
import type { Data } from '../data/client.js';
import type { Ephemeral } from '../ephemeral/ephemeral.js';
import type { Logger } from '../log.js';
import type { AuditBacklog } from './audit-backlog.js';
import type { Viewer } from './authz.js';
import type { Generations } from './cache.js';
import type { HintBus } from './hints.js';
import type { Metrics } from './metrics.js';
import type { SecretBox } from './secrets.js';
import type { SessionKeys } from './session-keys.js';
import type { Settings } from './settings.js';
import type { Settling } from './settling.js';

/** Made once per process, in app.ts. */
export interface Services {
  /** Its shared settings change while the program runs: read them at each use. */
  readonly config: Config;
  readonly settings: Settings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly data: Data;
  readonly coordination: Coordination;
  readonly ephemeral: Ephemeral;
  readonly hints: HintBus;
  readonly generations: Generations;
  readonly settling: Settling;
  readonly metrics: Metrics;
  /** Takes the entries that belong to no transaction. */
  readonly audit: AuditBacklog;
  /** Sign and verify session tokens. */
  readonly sessionKeys: SessionKeys;
  /** Encrypts what the database must not hold in the clear. */
  readonly secrets: SecretBox;
  /** What this instance has to do without at the moment, e.g. ["etcd"]. */
  degraded(): readonly string[];
}

/** One request, or one event of a subscription. */
export interface Call {
  readonly services: Services;
  readonly requestId: string;
  /** Null: nobody is signed in. */
  readonly viewer: Viewer | null;
  /** A credential was shown, but it does not count (any more). */
  readonly badCredential?: boolean;
  readonly ipAddress: string | null;
  readonly userAgent: string;
  /** Aborted when the client has gone or the deadline has passed. */
  readonly signal: AbortSignal;
  /** The term in which a controller gives its commands: they write nothing once another one leads. */
  readonly term?: Leadership | undefined;
  /** What a browser showed as its session's cookie, whatever credential counts; nobody has looked whether it is one. */
  readonly cookieToken?: string | null;
  /** Gives a browser its session cookie (null: takes it away); absent where there is no HTTP response to put it on. */
  readonly setSessionCookie?: (token: string | null) => void;
  /** Tells the transport what was run and how it ended, for its log line. */
  readonly reportOperation?: (operation: OperationFacts, outcome: string) => void;
}

export interface OperationFacts {
  readonly type: string;
  /** As the caller named it, cut to 64 characters. */
  readonly name: string | null;
  /** The first root field. */
  readonly field: string;
}
