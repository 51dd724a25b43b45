/** Figures of a project or a node that follow from a virtual machine: announced so that open screens follow, but changes that nobody made. */
import type { Change } from '../../core/command.js';

export { usageChange } from '../project/changes.js';

/** What a node's virtual machines hold. */
export function capacityChange(nodeId: string): Change {
  const row = { id: nodeId };
  return { type: 'HypervisorNode', id: nodeId, before: row, after: row, derived: true };
}

/** How many addresses of a network are in use. */
export function addressChange(network: { id: string; projectId: string | null }): Change {
  const row = { id: network.id, projectId: network.projectId };
  return { type: 'VirtualNetwork', id: network.id, before: row, after: row, derived: true };
}
