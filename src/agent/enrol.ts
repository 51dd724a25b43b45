/** A node that is new lets itself in, with an enrolment token; from then on it has a token of its own. */
import type { Logger } from '../log.js';
import { untilAnswered } from './agent.js';
import { keepCredentials, ownCredentials } from './credentials.js';
import { Enrol } from './documents.js';
import { ApiError, type Transport } from './transport.js';

export interface EnrolOptions {
  /** Of nobody in particular. */
  readonly transport: Transport;
  /** Null: it must have happened before. */
  readonly enrolmentToken: string | null;
  readonly file: string;
  readonly hostname: string;
  readonly managementIp: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Whether nobody answered, or nobody who could have: a refusal is an answer. */
export function isAway(error: unknown): boolean {
  return (
    error instanceof ApiError &&
    /^(UNREACHABLE|UNAVAILABLE|RATE_LIMITED|HTTP_5\d\d)$/.test(error.code)
  );
}

/**
 * The token of this node: from the file, or by enrolling. Waits for the control plane as long as it takes.
 * @returns null when it was told to stop
 * @throws ApiError when it is not let in
 */
export async function enrolledToken(options: EnrolOptions): Promise<string | null> {
  const { transport, enrolmentToken, file, hostname, managementIp, log, signal } = options;
  const { instanceKey, token: known } = await ownCredentials(file);
  if (known !== null) return known;
  if (enrolmentToken === null) throw new ApiError('NOT_ENROLLED', `${file} has no token yet`);
  const input = { token: enrolmentToken, instanceKey, hostname, managementIp };
  const ask = () => transport.send(Enrol, { input }, signal);
  const answer = await untilAnswered(log, signal, ask, (error) => !isAway(error));
  if (answer === null) return null;
  const { enrolHypervisorNode: made } = answer;
  if (made.__typename !== 'EnrolHypervisorNodePayload') throw new ApiError(made.code, made.message);
  if (!made.token) throw new ApiError('NO_TOKEN', 'The control plane gave no token');
  await keepCredentials(file, { instanceKey, token: made.token });
  log.info({ hypervisorNodeId: made.hypervisorNodeId, hostname, file }, 'enrolled');
  return made.token;
}
