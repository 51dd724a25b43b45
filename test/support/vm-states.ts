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
/** Those whose end is a power state, and the others. */
export const ALL_NAMES = [
  ...OPERATION_NAMES,
  'MIGRATE',
  'RESIZE',
  'RECONFIGURE',
  'CREATE_SNAPSHOT',
  'REVERT_SNAPSHOT',
  'DELETE_SNAPSHOT',
  'CLONE',
  'PROMOTE',
] as const;
export type AnyName = (typeof ALL_NAMES)[number];
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
  MIGRATE  go       go       go      -          -        -
  RESIZE   go       go       -       -          -        -
  RECONFIGURE      go  go    -       -          -        -
  CREATE_SNAPSHOT  go  go    go      go         -        -
  REVERT_SNAPSHOT  go  force force   force      force    -
  DELETE_SNAPSHOT  go  go    go      go         go       -
  CLONE    go       go       go      go         -        -
  PROMOTE  go       go       go      go         -        -
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
  'MIGRATE SUSPENDED': 'Resume it',
  'MIGRATE CRASHED': 'stop it',
  'RESIZE PAUSED': 'Stop it',
  'RESIZE SUSPENDED': 'Stop it',
  'RESIZE CRASHED': 'Stop it',
  'RECONFIGURE PAUSED': 'Resume or stop it',
  'RECONFIGURE SUSPENDED': 'Resume or stop it',
  'RECONFIGURE CRASHED': 'Stop it',
  'CREATE_SNAPSHOT CRASHED': 'Stop it',
  'REVERT_SNAPSHOT RUNNING': 'set "force"',
  'REVERT_SNAPSHOT PAUSED': 'set "force"',
  'REVERT_SNAPSHOT SUSPENDED': 'set "force"',
  'REVERT_SNAPSHOT CRASHED': 'set "force"',
  'CLONE CRASHED': 'Stop it',
  'PROMOTE CRASHED': 'Stop it',
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

export interface Expectation<N extends AnyName = AnyName> {
  readonly operation: N;
  readonly state: State;
  readonly force: boolean;
  readonly answer: 'proceed' | 'already' | 'refused';
  /** For refusals: what is possible in this state without force, sorted. */
  readonly allowed: readonly AnyName[];
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

function cell(operation: AnyName, state: State): string {
  const found = cells.get(`${operation} ${state}`);
  if (found === undefined) throw new Error(`the table has no cell ${operation} ${state}`);
  return found;
}

function expectation<N extends AnyName>(
  operation: N,
  state: State,
  force: boolean,
): Expectation<N> {
  const found = cell(operation, state);
  const proceeds = found === 'go' || (found === 'force' && force);
  return {
    operation,
    state,
    force,
    answer: proceeds ? 'proceed' : found === 'same' ? 'already' : 'refused',
    allowed: ALL_NAMES.filter((name) => cell(name, state) === 'go').sort(),
    help: HELP[`${operation} ${state}`] ?? (state === 'UNKNOWN' ? 'Its node does not report' : ''),
  };
}

/** Every pair of operation and state, with and without force. */
function pairs<N extends AnyName>(names: readonly N[]): Expectation<N>[] {
  return names.flatMap((operation) =>
    STATES.flatMap((state) => [false, true].map((force) => expectation(operation, state, force))),
  );
}

/** Of the operations whose end is a power state, and of all. */
export const EXPECTATIONS = pairs(OPERATION_NAMES);
export const ALL_EXPECTATIONS = pairs(ALL_NAMES);
