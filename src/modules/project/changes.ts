/** Announcements of figures that follow from other changes: told to subscribers, not kept in the audit log. */
import type { Change } from '../../core/command.js';

/** What a project uses of its quota. */
export function usageChange(projectId: string): Change {
  const row = { id: projectId };
  return { type: 'Project', id: projectId, before: row, after: row, derived: true };
}
