/** Tells the people who watch the datacenter that there is no new backup, and takes it back when there is one. */

import type { Config } from '../../config/model.js';
import type { Call } from '../../core/context.js';
import { execute } from '../../core/execute.js';
import { openPostgres } from '../../data/postgres.js';
import { encodeGlobalId } from '../../ids.js';
import type { Logger } from '../../log.js';
import { raiseAlert, resolveAlert } from '../../modules/alert/commands.js';
import { asSystem } from '../as-system.js';

export const ALERT_KIND = 'backup-failed';
const LONGEST = 4_000;

/** On the database as it is: a newer program that backs up before an upgrade does not migrate it. */
async function onDatabase(
  config: Config,
  log: Logger,
  work: (call: Call) => Promise<void>,
): Promise<void> {
  const { database, limits } = config;
  const data = await openPostgres({ ...database, ...limits, maxConnections: 2 }, log);
  try {
    await asSystem({ config, log }, { command: 'backup', name: 'backup', data }, work);
  } finally {
    await data.close();
  }
}

/** A repeat counts up on the one that is open. */
export async function tellFailure(config: Config, log: Logger, reason: string): Promise<void> {
  await onDatabase(config, log, async (call) => {
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
  await onDatabase(config, log, async (call) => {
    const open = await call.services.data.db.alert.findMany({
      where: { kind: ALERT_KIND, sourceType: 'SYSTEM', resolved: false },
      select: { id: true },
    });
    for (const { id } of open)
      await execute(resolveAlert, { id: encodeGlobalId('Alert', id) }, call);
  });
}
