/** Whether PostgreSQL is set for its machine, where that is this one: compared with the rules by which an appliance is set. */

import type { Config } from '../../config/model.js';
import { type Machine, machineHere } from '../appliance/machine.js';
import { TUNING, type TuningRule } from '../appliance/postgres-tuning.js';
import { defineCheck } from './check.js';
import { type Judgement, notice, ok } from './finding.js';
import { isLocal } from './postgres.js';
import { size } from './units.js';

export interface TuningFacts {
  readonly machine: Machine;
  readonly database: Config['database'];
  /** By name, in the units of the rules; null: the server is on another machine. */
  readonly actual: ReadonlyMap<string, number | string> | null;
}

const ADVICE =
  'qx-controlplane config postgresql prints what suits this machine: docs/operations.md, "Tuning".';

const shown = (value: number | string, { unit }: TuningRule): string => {
  if (unit === 'bytes') return size(Number(value));
  return unit === 'ms' && Number(value) >= 0 ? `${value} ms` : String(value);
};

export function judgeTuning({ machine, database, actual }: TuningFacts): Judgement[] {
  if (!actual) return [notice('not checked: PostgreSQL is on another machine')];
  const findings = TUNING.flatMap((rule) => {
    const wanted = rule.value(machine, database);
    const value = actual.get(rule.name);
    if (value === undefined || rule.accepts(value, wanted)) return [];
    const seen = `${rule.name} is ${shown(value, rule)}; ${shown(wanted, rule)} suits this machine (${rule.why})`;
    return [notice(seen, ADVICE)];
  });
  if (findings.length > 0) return findings;
  return [ok(`set for ${size(machine.memoryBytes)} of memory and ${machine.cores} cores`)];
}

/** Sizes come in blocks or KiB; pg_size_bytes reads what SHOW says. */
const SQL = `SELECT name, vartype, setting, CASE WHEN unit IN ('B', 'kB', 'MB', '8kB') THEN pg_size_bytes(current_setting(name))::float8 END AS bytes
  FROM pg_settings WHERE name = ANY($1)`;

interface Row {
  readonly name: string;
  readonly vartype: string;
  readonly setting: string;
  readonly bytes: number | null;
}

export const postgresTuning = defineCheck({
  name: 'postgres-tuning',
  about:
    "PostgreSQL's memory, workers and log, compared with what suits its machine, where that is this one.",
  async collect({ config: { database }, query }): Promise<TuningFacts> {
    const machine = machineHere();
    if (!isLocal(database.host)) return { machine, database, actual: null };
    const rows = await query<Row>(SQL, [TUNING.map(({ name }) => name)]);
    const actual = rows.map(({ name, vartype, setting, bytes }): [string, number | string] => [
      name,
      bytes ?? (vartype === 'integer' ? Number(setting) : setting),
    ]);
    return { machine, database, actual: new Map(actual) };
  },
  judge: judgeTuning,
});
