/** Raising an alert: one open alert for each (source, kind); a repeat counts up instead of piling up. */
import type { Change } from '../../core/command.js';
import type { Tx } from '../../data/client.js';
import type { Alert } from '../../gen/client/client.js';
import type { AlertSeverity, AlertSourceType } from '../../gen/client/enums.js';

export interface Raised {
  readonly severity: AlertSeverity;
  readonly title: string;
  readonly message: string;
  readonly sourceType: AlertSourceType;
  readonly sourceId: string | null;
  readonly sourceName: string;
  readonly projectId: string | null;
  /** What is wrong, as a stable word. */
  readonly kind: string;
}

/** A repeat takes the newer words and the worse severity, and keeps who acknowledged it. */
export async function raiseAlert(
  tx: Tx,
  raised: Raised,
  id: string,
  now: Date,
): Promise<{ alert: Alert; change: Change }> {
  const { sourceType, sourceId, kind } = raised;
  const before = await tx.alert.findFirst({
    where: { sourceType, sourceId, kind, resolved: false },
  });
  if (!before) {
    const [alert] = await tx.alert.createManyAndReturn({
      data: [{ ...raised, id, createdAt: now, lastSeenAt: now }],
      skipDuplicates: true,
    });
    if (alert) return { alert, change: { type: 'Alert', id, before: null, after: alert } };
    return raiseAlert(tx, raised, id, now); // a twin was quicker: this one is its repeat
  }
  const alert = await tx.alert.update({
    where: { id: before.id },
    data: {
      count: { increment: 1 },
      lastSeenAt: now,
      title: raised.title,
      message: raised.message,
      severity: worse(before.severity, raised.severity),
    },
  });
  return { alert, change: { type: 'Alert', id: before.id, before, after: alert } };
}

const ORDER: readonly AlertSeverity[] = ['CRITICAL', 'WARNING', 'INFO'];

export function worse(a: AlertSeverity, b: AlertSeverity): AlertSeverity {
  return ORDER.indexOf(a) <= ORDER.indexOf(b) ? a : b;
}
