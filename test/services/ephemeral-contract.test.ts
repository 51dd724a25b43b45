/** The contract of the ephemeral port, for the adapters that need no server. */
import { openInProcessEphemeral } from '../../src/ephemeral/in-process.js';
import { ephemeralContract } from './ephemeral-contract.js';

ephemeralContract('in-process', async () => {
  const only = openInProcessEphemeral();
  return { one: only, other: only, close: () => only.close() };
});
