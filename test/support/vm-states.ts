/**
 * What may be done to a virtual machine in each power state, written down a second time and on purpose not derived
 * from src/modules/virtual-machine/rules.ts: an error in one of the two tables shows as a difference.
 */

export const STATES = ['STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED', 'UNKNOWN'] as const;
export type State = (typeof STATES)[number];

export const OPERATION_NAMES = [
  'START',
  'STOP',
  'REBOOT',
  'RESET',
  'PAUSE',
  'RESUME',
  'SUSPEND',
  'DELETE',
] as const;
export type OperationName = (typeof OPERATION_NAMES)[number];

/** `go`: proceeds. `same`: is so already. `force`: proceeds when forced. `-`: refused, forced or not. */
const TABLE = `
           STOPPED  RUNNING  PAUSED  SUSPENDED  CRASHED  UNKNOWN
  START    go       same     -       -          go       -
  STOP     same     go       go      go         go       -
  REBOOT   -        go       -       -          -        -
  RESET    -        go       go      -          go       -
  PAUSE    -        go       same    -          -        -
  RESUME   -        same     go      go         -        -
  SUSPEND  -        go       -       same       -        -
  DELETE   go       force    force   force      go       -
`;

/** The words that a refusal must contain to be of help, by operation and state. */
const HELP: Readonly<Record<string, string>> = {
  'START PAUSED': 'Resume it',
  'START SUSPENDED': 'Resume it',
  'REBOOT STOPPED': 'Start it',
  'REBOOT CRASHED': 'Start it',
  'REBOOT PAUSED': 'Resume it',
  'REBOOT SUSPENDED': 'Resume it',
  'RESET STOPPED': 'Start it',
  'RESET SUSPENDED': 'Resume it',
  'SUSPEND PAUSED': 'Resume it',
  'RESUME STOPPED': 'Start it',
  'RESUME CRASHED': 'Start it',
  'DELETE RUNNING': 'set "force"',
  'DELETE PAUSED': 'set "force"',
  'DELETE SUSPENDED': 'set "force"',
};

export const DESIRED = {
  START: 'RUNNING',
  STOP: 'STOPPED',
  REBOOT: 'RUNNING',
  PAUSE: 'PAUSED',
  RESUME: 'RUNNING',
  RESET: 'RUNNING',
  SUSPEND: 'SUSPENDED',
  DELETE: 'DELETED',
} as const satisfies Record<OperationName, string>;

export interface Expectation {
  readonly operation: OperationName;
  readonly state: State;
  readonly force: boolean;
  readonly answer: 'proceed' | 'already' | 'refused';
  /** For refusals: what is possible in this state without force, sorted. */
  readonly allowed: readonly OperationName[];
  /** For refusals: words of the message; empty when there is nothing better to do. */
  readonly help: string;
}

const cells = new Map(
  TABLE.trim()
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [operation = '', ...row] = line.trim().split(/\s+/);
      return STATES.map((state, column) => [`${operation} ${state}`, row[column]] as const);
    }),
);

function cell(operation: OperationName, state: State): string {
  const found = cells.get(`${operation} ${state}`);
  if (found === undefined) throw new Error(`the table has no cell ${operation} ${state}`);
  return found;
}

function expectation(operation: OperationName, state: State, force: boolean): Expectation {
  const found = cell(operation, state);
  const proceeds = found === 'go' || (found === 'force' && force);
  return {
    operation,
    state,
    force,
    answer: proceeds ? 'proceed' : found === 'same' ? 'already' : 'refused',
    allowed: OPERATION_NAMES.filter((name) => cell(name, state) === 'go').sort(),
    help: HELP[`${operation} ${state}`] ?? (state === 'UNKNOWN' ? 'Its node does not report' : ''),
  };
}

/** Every pair of operation and state, with and without force. */
export const EXPECTATIONS: readonly Expectation[] = OPERATION_NAMES.flatMap((operation) =>
  STATES.flatMap((state) => [false, true].map((force) => expectation(operation, state, force))),
);
