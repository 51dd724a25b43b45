/**
 * Audits changes of shared settings that nobody has audited: made with etcdctl, by an instance that died between etcd and the database,
 * or because etcd was wiped.
 */
import { sharedEntries } from '../config/shared.js';
import { execute } from '../core/execute.js';
import { NEVER_SET } from '../core/stored-setting.js';
import { lastAudited, noticeSystemConfig } from '../modules/system-config/system-commands.js';
import { inTurn } from './in-turn.js';
import type { Controller } from './runner.js';
import { systemCall } from './system-call.js';

/** For each app one: it remembers when it first saw what is not audited. */
export function settingsAudit(): Controller {
  const firstSeen = new Map<string, number>();
  return {
    name: 'settings-audit',
    intervalMs: 5_000,
    async run(services, stillLeading, signal) {
      const { settings, coordination, config, clock, data } = services;
      const known = settings.known();
      // Without etcd there is nothing to compare with: what is in this process alone is audited by its own commands.
      if (!known || coordination.kind !== 'etcd' || !coordination.available()) return;
      const audited = await lastAudited(data.db);
      const missing = sharedEntries
        .map(({ path }) => ({ ...NEVER_SET, ...NOBODY, key: path, ...known.get(path) }))
        .filter(({ key, value }) => value !== (audited.get(key)?.value ?? null));
      const seen = new Map(
        missing.map((setting) => {
          const change = `${setting.key} ${setting.revision}`;
          return [change, firstSeen.get(change) ?? clock.monotonic()] as const;
        }),
      );
      firstSeen.clear();
      for (const [change, at] of seen) firstSeen.set(change, at);
      // Whoever made it may still be about to audit it, as long as a request may take.
      const oldEnough = clock.monotonic() - config.server.requestTimeoutMs;
      const due = missing.filter(
        ({ key, revision }) => (seen.get(`${key} ${revision}`) ?? 0) <= oldEnough,
      );
      await inTurn(due, stillLeading, ({ key, value, version, updatedBy, requestId }) =>
        execute(
          noticeSystemConfig,
          { key, value, version, updatedBy, changeRequestId: requestId },
          systemCall(services, 'settings-audit', signal),
        ),
      );
    },
  };
}

const NOBODY = { updatedBy: null, requestId: null } as const;
