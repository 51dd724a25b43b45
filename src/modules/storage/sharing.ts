/** Blocks that volumes share: what a linked copy stands on must neither change nor go. As conditions for rows of the type Volume. */

const source = (key: string, equals: string | boolean) => ({
  spec: { path: ['source', key], equals },
});

/** A copy that is still being made, or that shares blocks for good. */
const INCOMPLETE_OR_LINKED = { OR: [{ phase: 'CREATING' as const }, source('linked', true)] };

/** Volumes that are being made from a snapshot, or share its blocks for good. */
export function copiedFromSnapshot(snapshotId: string) {
  return { AND: [source('type', 'SNAPSHOT'), source('id', snapshotId), INCOMPLETE_OR_LINKED] };
}

/** The same for all snapshots of a machine: they are of the volumes that it has. */
export function copiedFromSnapshotsOf(virtualMachineId: string) {
  return {
    parent: { attachedVmId: virtualMachineId },
    AND: [source('type', 'SNAPSHOT'), INCOMPLETE_OR_LINKED],
  };
}

/** Volumes that share the blocks of one of these as they are: no snapshot holds those for them. */
export function linkedTo(volumeIds: readonly string[]) {
  return {
    parentId: { in: [...volumeIds] },
    AND: [source('type', 'CLONE'), source('linked', true)],
  };
}
