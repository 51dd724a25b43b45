/**
 * Calls to etcd, every one of them bounded. `etcd3` carries them; leases, watches, election and locks are our own, because
 * those of the library notice a loss too late or not at all (docs/adr/0009-etcd.md).
 */
import { rootCertificates } from 'node:tls';
import {
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IOptions,
  type IRangeResponse,
  type ITxnRequest,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
  isRecoverableError,
} from 'etcd3';
import { CoordinationUnavailableError } from './coordination.js';
import type { KeyRange } from './keys.js';

export interface EtcdConnection {
  readonly endpoints: readonly string[];
  /** Longest wait for an answer, over all attempts. */
  readonly requestTimeoutMs: number;
  /** PEM. Without a CA those that Node.js ships with are believed; certificate and key only together. */
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | null;
  readonly login: { readonly user: string; readonly password: string } | null;
}

export interface Stream<Request, Response> {
  write(request: Request): void;
  end(): void;
  cancel(): void;
  on(event: 'data', listener: (response: Response) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/**
 * Every call throws CoordinationUnavailableError when there is no answer in time; then it may have been done.
 * @throws {LeaseGoneError} the lease that a call names is no more; then nothing was done
 */
export interface EtcdClient {
  readonly requestTimeoutMs: number;
  range(range: KeyRange, limit?: number): Promise<IRangeResponse>;
  txn(request: ITxnRequest): Promise<ITxnResponse>;
  /** `ttl` in seconds; etcd may grant a longer one. */
  grant(ttl: number): Promise<{ id: string; ttl: number }>;
  revoke(leaseId: string): Promise<void>;
  keepAlive(): Promise<Stream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>>;
  watch(): Promise<Stream<IWatchRequest, IWatchResponse>>;
  close(): void;
}

/** Ended first: the library takes the breaking off of an open stream for the member's failure, and closes all connections to it. */
export function breakOff(stream: Pick<Stream<never, never>, 'end' | 'cancel'>): void {
  stream.end();
  stream.cancel();
}

export class LeaseGoneError extends Error {}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

export function openEtcdClient(connection: EtcdConnection): EtcdClient {
  const { endpoints, requestTimeoutMs, tls, login } = connection;
  // Of several members one may hang: half of the time is left for another one.
  const attemptMs = endpoints.length > 1 ? requestTimeoutMs / 2 : requestTimeoutMs;
  const etcd = new Etcd3({
    hosts: [...endpoints],
    ...(tls && {
      credentials: {
        rootCertificate: tls.ca ?? Buffer.from(rootCertificates.join('\n')),
        ...(tls.key && { privateKey: tls.key }),
        ...(tls.cert && { certChain: tls.cert }),
      },
    }),
    ...(login && { auth: { username: login.user, password: login.password } }),
    grpcOptions: {
      // etcd closes connections that ping more often than every 5 s
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 3_000,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    },
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + attemptMs }),
    // No circuit breaker: it would refuse a lease's renewal because of somebody else's failures.
    faultHandling: { global: policy(2), host: () => policy(1) },
  });

  /** The library's own deadlines bound an attempt; signing in and choosing a member come on top of that. */
  async function bounded<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), requestTimeoutMs + 50);
    });
    try {
      return await Promise.race([work, late]);
    } catch (cause) {
      if (cause instanceof EtcdLeaseInvalidError) throw new LeaseGoneError(cause.message);
      throw new CoordinationUnavailableError('etcd does not answer', { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    requestTimeoutMs,
    range: ({ key, end }, limit = 0) =>
      bounded(etcd.kv.range({ key, limit, ...(end && { range_end: end }) })),
    txn: (request) => bounded(etcd.kv.txn(request)),
    async grant(ttl) {
      const granted = await bounded(etcd.leaseClient.leaseGrant({ TTL: ttl }));
      return { id: granted.ID, ttl: Number(granted.TTL) };
    },
    async revoke(leaseId) {
      await bounded(etcd.leaseClient.leaseRevoke({ ID: leaseId }));
    },
    keepAlive: () => bounded(etcd.leaseClient.leaseKeepAlive()),
    watch: () => bounded(etcd.watchClient.watch()),
    close: () => etcd.close(),
  };
}

/** At most so many attempts, the next one at once: every caller of ours tries again in its own time. */
function policy(attempts: number): Policy {
  const never = () => ({ dispose: () => undefined });
  const context = { signal: new AbortController().signal };
  const execute = async (run: (given: typeof context) => unknown): Promise<unknown> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run(context);
      } catch (error) {
        if (attempt >= attempts || !(error instanceof Error) || !isRecoverableError(error)) {
          throw error;
        }
      }
    }
  };
  return { onSuccess: never, onFailure: never, execute } as unknown as Policy;
}

/** Whether etcd answered, and will not have us: waiting does not help. */
export function isRefusal(error: unknown): boolean {
  const cause = error instanceof CoordinationUnavailableError ? error.cause : error;
  return (
    cause instanceof EtcdAuthenticationFailedError || cause instanceof EtcdPermissionDeniedError
  );
}
