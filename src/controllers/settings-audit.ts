/**
 * Audits changes of shared settings that nobody has audited: made with etcdctl, by an instance that died between etcd and the database,
 * or because etcd was wiped.
 */
import { sharedEntries } from '../config/shared.js';
import { execute } from '../core/execute.js';
import { NEVER_SET, readSetting } from '../core/stored-setting.js';
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
      const { coordination, config, clock, data } = services;
      // Without etcd there is nothing to compare with: what is in this process alone is audited by its own commands.
      if (coordination.kind !== 'etcd' || !coordination.available()) return;
      const stored = (await coordination.settings.list()).map(readSetting);
      const known = new Map(stored.map((setting) => [setting.key, setting]));
      const audited = await lastAudited(data.db);
      const missing = sharedEntries
        .map(({ path }) => known.get(path) ?? { ...NEVER_SET, key: path })
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
      await inTurn(due, stillLeading, ({ key }) =>
        execute(noticeSystemConfig, { key }, systemCall(services, 'settings-audit', signal)),
      );
    },
  };
}
