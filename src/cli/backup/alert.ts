/** Tells the people who watch the datacenter that there is no new backup, and takes it back when there is one. */

import type { Config } from '../../config/model.js';
import { systemViewer } from '../../core/authz.js';
import type { Call } from '../../core/context.js';
import { execute } from '../../core/execute.js';
import type { Data } from '../../data/client.js';
import { openPostgres } from '../../data/postgres.js';
import { encodeGlobalId, newId } from '../../ids.js';
import type { Logger } from '../../log.js';
import { raiseAlert, resolveAlert } from '../../modules/alert/commands.js';
import { openServices } from '../../services.js';

export const ALERT_KIND = 'backup-failed';
const LONGEST = 4_000;

/**
 * On the database as it is: a newer program that backs up before an upgrade does not migrate it.
 */
async function asSystem(
  config: Config,
  log: Logger,
  work: (call: Call, data: Data) => Promise<void>,
): Promise<void> {
  const { database, limits } = config;
  const data = await openPostgres({ ...database, ...limits, maxConnections: 2 }, log);
  try {
    const { services, close } = await openServices(config, { log, alone: true, data });
    try {
      const call: Call = {
        services,
        requestId: newId(),
        viewer: systemViewer('backup'),
        ipAddress: null,
        userAgent: 'qx-controlplane backup',
        signal: new AbortController().signal,
      };
      await work(call, data);
    } finally {
      await close();
    }
  } finally {
    await data.close();
  }
}

/** A repeat counts up on the one that is open. */
export async function tellFailure(config: Config, log: Logger, reason: string): Promise<void> {
  await asSystem(config, log, async (call) => {
    await execute(
      raiseAlert,
      {
        severity: 'CRITICAL',
        title: 'There is no new backup',
        message: reason.slice(0, LONGEST),
        kind: ALERT_KIND,
      },
      call,
    );
  });
}

export async function tellSuccess(config: Config, log: Logger): Promise<void> {
  await asSystem(config, log, async (call, data) => {
    const open = await data.db.alert.findMany({
      where: { kind: ALERT_KIND, sourceType: 'SYSTEM', resolved: false },
      select: { id: true },
    });
    for (const { id } of open)
      await execute(resolveAlert, { id: encodeGlobalId('Alert', id) }, call);
  });
}
