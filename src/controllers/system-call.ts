/** The call as which a controller gives its commands: audited like anybody's, under the controller's name. */
import { systemViewer } from '../core/authz.js';
import type { Call, Services } from '../core/context.js';
import { newId } from '../ids.js';

export function systemCall(services: Services, controller: string, signal: AbortSignal): Call {
  return {
    services,
    requestId: newId(),
    viewer: systemViewer(controller),
    ipAddress: null,
    userAgent: '',
    signal,
  };
}
