/**
 * PostgreSQL's settings for the machine that it is on: one table of rules. The file of an appliance is printed from it,
 * and the doctor compares a running server with it.
 */
import type { Config } from '../../config/model.js';
import { GIB, MIB } from '../doctor/units.js';
import type { Machine } from './machine.js';

export interface TuningRule {
  /** The setting's name at PostgreSQL. */
  readonly name: string;
  readonly why: string;
  /** Bytes for sizes, milliseconds for times, else a number or a word. */
  readonly value: (machine: Machine, database: Config['database']) => number | string;
  readonly unit: 'bytes' | 'ms' | null;
  /**
   * Whether another value is as good. Somebody may know the machine's load better than a rule of thumb, so sizes
   * only stand out when they are another order.
   */
  readonly accepts: (actual: number | string, wanted: number | string) => boolean;
}

const near: TuningRule['accepts'] = (actual, wanted) =>
  Number(actual) >= Number(wanted) / 2 && Number(actual) <= Number(wanted) * 2;
const atLeast: TuningRule['accepts'] = (actual, wanted) => Number(actual) >= Number(wanted);

const clamp = (least: number, value: number, most: number) =>
  Math.floor(Math.min(most, Math.max(least, value)));

/** Two instances at once while a new version replaces an old one; and backups, agents of monitoring, people. */
const connections = ({ maxConnections }: Config['database']) =>
  Math.max(100, 2 * maxConnections + 20);

export const TUNING: readonly TuningRule[] = [
  {
    name: 'max_connections',
    why: 'the pools of two instances, and 20 for backups and people',
    value: (_machine, database) => connections(database),
    unit: null,
    accepts: atLeast,
  },
  {
    name: 'shared_buffers',
    why: '25 % of the memory',
    value: ({ memoryBytes }) => memoryBytes / 4,
    unit: 'bytes',
    accepts: near,
  },
  {
    name: 'effective_cache_size',
    why: '75 % of the memory: what the system keeps of files counts, too',
    value: ({ memoryBytes }) => (memoryBytes / 4) * 3,
    unit: 'bytes',
    accepts: near,
  },
  {
    name: 'work_mem',
    why: 'each sort of each connection may take so much; all of them together a quarter of the memory',
    value: ({ memoryBytes }, database) =>
      clamp(4 * MIB, memoryBytes / 4 / connections(database), 64 * MIB),
    unit: 'bytes',
    accepts: near,
  },
  {
    name: 'maintenance_work_mem',
    why: 'cleaning and making indexes: a sixteenth of the memory',
    value: ({ memoryBytes }) => clamp(64 * MIB, memoryBytes / 16, 2 * GIB),
    unit: 'bytes',
    accepts: near,
  },
  {
    name: 'max_worker_processes',
    why: 'one for each core, and some for the server itself',
    value: ({ cores }) => cores + 8,
    unit: null,
    accepts: (actual) => Number(actual) >= 8,
  },
  {
    name: 'max_parallel_workers',
    why: 'one for each core',
    value: ({ cores }) => cores,
    unit: null,
    accepts: near,
  },
  {
    name: 'log_min_duration_statement',
    why: 'slow statements, as database.slow_statement has it',
    value: (_machine, { slowStatementMs }) => (slowStatementMs > 0 ? slowStatementMs : -1),
    unit: 'ms',
    // -1 is never; a higher figure logs less than was asked for
    accepts: (actual, wanted) =>
      Number(wanted) < 0 || (Number(actual) >= 0 && Number(actual) <= 2 * Number(wanted)),
  },
  {
    name: 'log_statement',
    why: 'changes of the schema',
    value: () => 'ddl',
    unit: null,
    accepts: (actual) => actual !== 'none',
  },
];

function written(value: number | string, unit: TuningRule['unit']): string {
  if (typeof value === 'string') return `'${value}'`;
  // In whole MiB: PostgreSQL calls them MB.
  if (unit === 'bytes') return `'${Math.floor(value / MIB)}MB'`;
  return unit === 'ms' && value >= 0 ? `'${value}ms'` : String(value);
}

/** The file that PostgreSQL includes. */
export function postgresTuning(machine: Machine, { database }: Config): string {
  const rules = TUNING.map(
    ({ name, why, value, unit }) =>
      `# ${why}\n${name} = ${written(value(machine, database), unit)}\n`,
  );
  const memory = `${Math.round(machine.memoryBytes / MIB)} MiB of memory and ${machine.cores} cores`;
  return `# PostgreSQL of Quantix-vDC, for a machine with ${memory}.
# Printed by "qx-controlplane config postgresql"; print it anew when the machine or database.max_connections changes.

${rules.join('\n')}`;
}
