/** The contract of the coordination port, for the adapters that need no server. */
import { openInProcessCoordination } from '../../src/coordination/in-process.js';
import { coordinationContract } from './coordination-contract.js';

coordinationContract('in-process', async () => {
  const only = openInProcessCoordination();
  return { one: only, other: only, close: () => only.close() };
});
