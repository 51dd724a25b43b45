/** The call as which a controller gives its commands: audited like anybody's, under the controller's name. */
import { systemViewer } from '../core/authz.js';
import type { Call } from '../core/context.js';
import { newId } from '../ids.js';
import type { TermServices } from './runner.js';

export function systemCall(services: TermServices, controller: string, signal: AbortSignal): Call {
  return {
    services,
    requestId: newId(),
    viewer: systemViewer(controller),
    ipAddress: null,
    userAgent: '',
    signal,
    term: services.term,
  };
}
