/** Reference pages that are printed from the code, so that they cannot drift from it. */
import { type GraphQLSchema, isInterfaceType, isObjectType, isUnionType } from 'graphql';
import {
  FOR_TOKENS,
  may,
  type ProjectRole,
  permissionsOf,
  type Role,
  systemViewer,
} from '../core/authz.js';
import { REQUEST_ERROR_CODES } from '../errors.js';
import type { PowerState, VolumePhase } from '../gen/client/enums.js';
import { PowerState as PowerStates, VolumePhase as VolumePhases } from '../gen/client/enums.js';
import { VOLUME_OPERATIONS, type VolumeOperation } from '../modules/storage/rules.js';
import { OPERATIONS, type Operation, WIRING_STATES } from '../modules/virtual-machine/rules.js';
import { DEADLINE_MS } from './doctor/check.js';
import { CHECKS } from './doctor/checks.js';

export const HEADER = '<!-- Printed from the code by "npm run schema". Do not edit. -->\n\n';

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

/** The tables of states and operations: of virtual machines, and of volumes. */
export function printStates(): string {
  const states = Object.keys(PowerStates) as PowerState[];
  const rows = (Object.keys(OPERATIONS) as Operation[]).map((operation) => {
    const rule = OPERATIONS[operation];
    const cell = (state: PowerState) => {
      if (rule.already.includes(state)) return 'already';
      const then = rule.desired === null ? '' : ` → ${rule.desired}`;
      if (rule.from.includes(state)) return `yes${then}`;
      return rule.forced.includes(state) ? `forced${then}` : (rule.hints[state] ?? 'no');
    };
    return [operation, ...states.map(cell)];
  });
  return `${HEADER}# Operations of virtual machines by power state\n\n"yes": goes ahead, and what should be becomes the state after the arrow. "already": succeeds and changes nothing.
"forced": goes ahead with \`force: true\`. Everything else is refused with \`InvalidStateError\`, which names what is possible.
While a task is at work on the machine, every operation gets \`BusyError\` with the task's id.\n\n${table(['', ...states], rows)}
Network interfaces are attached, detached and changed while it is ${WIRING_STATES.join(' or ')}.

${volumeStates()}`;
}

function volumeStates(): string {
  const phases = Object.keys(VolumePhases) as VolumePhase[];
  const rows = (Object.keys(VOLUME_OPERATIONS) as VolumeOperation[]).map((operation) => {
    const { from, to, hints } = VOLUME_OPERATIONS[operation];
    const yes = to === null ? 'yes' : `yes → ${to}`;
    return [
      operation,
      ...phases.map((phase) => (from.includes(phase) ? yes : (hints[phase] ?? 'no'))),
    ];
  });
  return `# Operations of volumes by phase\n\nThe phase after the arrow is that of the volume while its task is at work (GROW, DELETE) or from then on (ATTACH, DETACH).
CLONE is about the volume that is copied. A task that creates a volume ends in READY or ERROR, one that grows it where it began.\n\n${table(['', ...phases], rows)}`;
}

/** Everybody that the table of permissions knows: a role, and the place where it is asked for. Null: what has no project. */
const PLACES: readonly (readonly [title: string, role: Role, inProject: ProjectRole | null])[] = [
  ['ADMIN', 'ADMIN', null],
  ['OPERATOR', 'OPERATOR', null],
  ['OPERATOR, OPERATOR of the project', 'OPERATOR', 'OPERATOR'],
  ['OPERATOR, VIEWER of the project', 'OPERATOR', 'VIEWER'],
  ['VIEWER', 'VIEWER', null],
  ['VIEWER, member of the project', 'VIEWER', 'OPERATOR'],
  ['AGENT', 'AGENT', null],
];

/** Who may do what where, by the function that decides; the last column: whether a token can be given it. */
export function permissionTable(): {
  head: readonly string[];
  rows: readonly (readonly string[])[];
} {
  const viewers = PLACES.map(([, role, inProject]) => ({
    viewer: { ...systemViewer('docs'), role, projects: new Map(inProject && [['p', inProject]]) },
    projectId: inProject && 'p',
  }));
  const all = [...new Set(PLACES.flatMap(([, role]) => permissionsOf(role)))].sort();
  const yes = (is: boolean): string => (is ? 'yes' : '');
  return {
    head: ['', ...PLACES.map(([title]) => title), 'token'],
    rows: all.map((permission) => [
      `\`${permission}\``,
      ...viewers.map(({ viewer, projectId }) => yes(may(viewer, permission, projectId))),
      yes(FOR_TOKENS.includes(permission)),
    ]),
  };
}

/** The table of roles and permissions. */
export function printPermissions(): string {
  const { head, rows } = permissionTable();
  return `${HEADER}# Roles and permissions

Outside ADMIN, objects of a project exist only for its members, and writing in a project also needs the role OPERATOR in it.
Infrastructure (clusters, nodes), and what is shared by all projects, is read by every user and written by ADMIN; those are the columns
without a project. \`token:\` permissions are about one's own tokens.

The last column says what a token of a script can be given. It never does more than its owner may at that moment: see [tokens.md](tokens.md).
A refusal (\`ForbiddenError\`) names the permission, and in \`lacking\` whether the role, the role in the project or the token lacks it.
\`viewer { permissions(projectId) }\` and the fields \`viewerCan...\` of objects answer by the same table.

${table(head, rows)}`;
}

/** Every error that a caller may meet: the typed answers of mutations, and the codes of top-level errors. */
export function printErrors(schema: GraphQLSchema): string {
  const base = schema.getType('UserError');
  if (!isInterfaceType(base)) return HEADER;
  const types = [...schema.getPossibleTypes(base)].sort((a, b) => (a.name < b.name ? -1 : 1));
  const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
  const answers = new Map(
    types.map((type) => [
      type.name,
      mutations.flatMap(({ name, type: result }) => {
        const union = 'ofType' in result ? result.ofType : result;
        return isUnionType(union) && union.getTypes().includes(type) ? [`\`${name}\``] : [];
      }),
    ]),
  );
  const rows = types.filter(isObjectType).map((type) => {
    const own = Object.values(type.getFields())
      .filter(({ name }) => !(name in base.getFields()))
      .map(({ name, description }) => `\`${name}\`: ${description}`);
    const from = answers.get(type.name) ?? [];
    const given = from.length === mutations.length ? 'every mutation' : from.join(', ');
    return [`\`${type.name}\``, type.description ?? '', own.join(' '), given];
  });
  const codes = Object.entries(REQUEST_ERROR_CODES).map(([code, meaning]) => [
    `\`${code}\``,
    meaning,
  ]);
  return `${HEADER}# Errors\n\n## Answers of mutations\n\nMembers of the result union of a mutation; all implement \`UserError { code, message, path, retryable }\`. Nothing was changed.\n\n${table(['type', 'meaning', 'tells', 'given by'], rows)}
## Top-level errors\n\nIn \`errors[].extensions.code\`, with \`retryable\` and, where it is known, \`retryAfterMs\`.\n\n${table(['code', 'meaning'], codes)}`;
}

/** The checks of \`doctor\`, and how to read its report. */
export function printDoctor(): string {
  const rows = CHECKS.map(({ name, about }) => [`\`${name}\``, about]);
  return `${HEADER}# qx-controlplane doctor

\`qx-controlplane doctor [--config FILE] [--json]\` looks at everything that this program needs and says, for each finding, what was seen and what to do.
It changes nothing, prints no secret, and ends within ${Math.ceil(DEADLINE_MS / 1000) + 2} seconds whatever hangs: all checks run at once, each for at most ${DEADLINE_MS / 1000} s.

| level | meaning |
| --- | --- |
| \`ok\` | as it should be |
| \`notice\` | good to know; also what could not be checked, and why |
| \`warning\` | works now, and may not when something else goes wrong |
| \`problem\` | does not work, or data are in danger |

Exit codes: 0 no problem, 1 a problem, 2 wrong usage or configuration (its faults are listed).

${table(['check', 'looks at'], rows)}
With \`--json\`: \`{ format: 1, program, level, findings: [{ check, level, seen, advice }] }\`; \`level\` is the worst one, \`advice\` can be null.
Fields may be added, none is renamed. \`seen\` and \`advice\` are for people: programs should go by \`check\` and \`level\`.
PostgreSQL is asked as \`database.user\`. What that role may not see is said; \`GRANT pg_read_all_stats TO quantix\` shows it all.
`;
}
