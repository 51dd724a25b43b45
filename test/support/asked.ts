/** What is asked of a database from now on; but for what the audit is told of after an answer, which comes when it comes. */
import type { Data } from '../../src/data/client.js';

export function askedOf(data: Pick<Data, 'onStatement'>): {
  readonly asked: readonly string[];
  stop(): void;
} {
  const asked: string[] = [];
  const stop = data.onStatement((sql) => {
    if (!/^(BEGIN|COMMIT)$|^INSERT INTO "public"."audit_log"/.test(sql)) asked.push(sql);
  });
  return { asked, stop };
}
