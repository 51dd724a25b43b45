/** The error types of the API: `interface UserError`, and one object type for each class in errors.ts. */

import type { FieldMap, ObjectRef } from '@pothos/core';
import {
  AddressInUseError,
  AlreadyExistsError,
  BusyError,
  ConflictError,
  EnrolmentRefusedError,
  ForbiddenError,
  IdempotencyMismatchError,
  InUseError,
  InvalidCredentialsError,
  InvalidStateError,
  type Issue,
  LastAdministratorError,
  type NodeVerdict,
  NoSuitableNodeError,
  NotConfiguredError,
  NotFoundError,
  PlanStaleError,
  PoolExhaustedError,
  ProtectedError,
  QuotaExceededError,
  type ScorePart,
  StaleRecommendationError,
  SubnetExhaustedError,
  TooManyAttemptsError,
  type Usage,
  type UserError,
  ValidationError,
} from '../errors.js';
import { encodeGlobalId } from '../ids.js';
import { builder, type SchemaTypes } from './builder.js';

/** graphql-js takes an Error that a resolver returns for one that it threw, so an answer wraps it. */
export class Refusal<E extends UserError = UserError> {
  constructor(readonly error: E) {}
}

const UserErrorInterface = builder.interfaceRef<Refusal>('UserError').implement({
  description: 'Why a mutation did not do what was asked. Nothing was changed.',
  fields: (t) => ({
    code: t.string({ description: 'Stable, for programs.', resolve: ({ error }) => error.code }),
    message: t.string({
      description: 'For people; says what would help.',
      resolve: ({ error }) => error.message,
    }),
    path: t.stringList({
      description: 'The input field to blame, outermost first; empty: the request as a whole.',
      resolve: ({ error }) => [...error.path],
    }),
    retryable: t.boolean({
      description: 'Whether the same request may succeed later.',
      resolve: ({ error }) => error.retryable,
    }),
  }),
});

const IssueType = builder.objectRef<Issue>('ValidationIssue').implement({
  description: 'One fault of an input.',
  fields: (t) => ({
    path: t.stringList({
      description: 'Where, outermost first.',
      resolve: (issue) => [...issue.path],
    }),
    message: t.exposeString('message', { description: 'What is wrong, and what would be right.' }),
  }),
});

const UsageType = builder.objectRef<Usage>('Usage').implement({
  description: 'What still uses an object.',
  fields: (t) => ({
    type: t.exposeString('type', { description: 'The type of the users.' }),
    count: t.exposeInt('count', { description: 'How many there are.' }),
    names: t.stringList({
      description: 'Some of their names.',
      resolve: (usage) => [...usage.names],
    }),
  }),
});

const ScorePartType = builder.objectRef<ScorePart>('PlacementScorePart').implement({
  description: 'One part of the score of a node.',
  fields: (t) => ({
    name: t.exposeString('name', {
      description:
        'LOAD: how full the node would be, from 0 to 1, as placement.policy likes it; PREFERENCE: the machine was there last; AFFINITY and ANTI_AFFINITY: soft neighbours.',
    }),
    value: t.exposeFloat('value', { description: 'What it adds; negative: takes away.' }),
  }),
});

export const VerdictType = builder.objectRef<NodeVerdict>('NodeVerdict').implement({
  description: 'What placement decided about one hypervisor node.',
  fields: (t) => ({
    nodeId: t.id({
      description: 'The hypervisor node.',
      resolve: (v) => encodeGlobalId('HypervisorNode', v.nodeId),
    }),
    hostname: t.exposeString('hostname', { description: 'Its host name.' }),
    fits: t.exposeBoolean('fits', { description: 'Whether it can take the virtual machine.' }),
    reasons: t.stringList({ description: 'Why not.', resolve: (v) => [...v.reasons] }),
    score: t.exposeFloat('score', {
      nullable: true,
      description: 'The higher the better; null when it does not fit.',
    }),
    scoreParts: t.field({
      type: [ScorePartType],
      description: 'What the score is the sum of; empty when there is none.',
      resolve: (v) => [...(v.parts ?? [])],
    }),
  }),
});

// biome-ignore lint/suspicious/noExplicitAny: an error class with any constructor
type Class<E> = (abstract new (...args: any[]) => E) & { name: string };
type FieldBuilder<E extends UserError> = PothosSchemaTypes.ObjectFieldBuilder<
  PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>,
  Refusal<E>
>;

// biome-ignore lint/suspicious/noExplicitAny: refs of many shapes in one map
type AnyRef = ObjectRef<any, any>;
const refs = new Map<unknown, AnyRef>();

/** The object type of an error class; every class that a command declares has one. */
export function errorTypeOf(type: unknown): AnyRef {
  const ref = refs.get(type);
  if (!ref) throw new Error(`${(type as { name?: string }).name} has no type in graphql/errors.ts`);
  return ref;
}

/** Registers a class as an object type of its own name. */
function errorType<E extends UserError>(
  type: Class<E>,
  description: string,
  fields: (t: FieldBuilder<E>) => FieldMap = () => ({}),
): void {
  const ref = builder.objectRef<Refusal<E>>(type.name).implement({
    description,
    interfaces: [UserErrorInterface] as never,
    isTypeOf: (value) => value instanceof Refusal && value.error instanceof type,
    fields: fields as never,
  });
  refs.set(type, ref as never);
}

errorType(ValidationError, 'The input is wrong, whatever the state of the datacenter.', (t) => ({
  issues: t.field({
    type: [IssueType],
    description: 'Every fault.',
    resolve: ({ error: e }) => [...e.issues],
  }),
}));
errorType(NotFoundError, 'The object does not exist, or does not exist for you.', (t) => ({
  resourceType: t.string({
    description: 'What was looked for.',
    resolve: ({ error: e }) => e.resourceType,
  }),
}));
const LackEnum = builder.enumType('ForbiddenReason', {
  description: 'Where a permission is missing.',
  values: {
    ROLE: { description: 'The role of the user does not grant it.' },
    PROJECT_ROLE: { description: 'It takes the role OPERATOR in the project.' },
    TOKEN: { description: 'The token that was shown is not for it.' },
    SESSION: { description: 'No token may do it: sign in.' },
  },
});

errorType(ForbiddenError, 'You may see the object but not do this.', (t) => ({
  permission: t.string({
    description: 'The permission that is missing.',
    resolve: ({ error: e }) => e.permission,
  }),
  lacking: t.field({
    type: LackEnum,
    description: 'Where it is missing, and so who can help.',
    resolve: ({ error: e }) => e.lacking,
  }),
}));
errorType(ConflictError, 'The object changed after you read it.', (t) => ({
  currentVersion: t.int({
    nullable: true,
    description: 'Its version now, if known.',
    resolve: ({ error: e }) => e.currentVersion,
  }),
}));
errorType(AlreadyExistsError, 'A value that must be unique is taken.', (t) => ({
  field: t.string({ description: 'Which value.', resolve: ({ error: e }) => e.field }),
  value: t.string({ description: 'The value that is taken.', resolve: ({ error: e }) => e.value }),
}));
errorType(InUseError, 'The object is still used.', (t) => ({
  usedBy: t.field({
    type: [UsageType],
    description: 'By what.',
    resolve: ({ error: e }) => [...e.usedBy],
  }),
}));
errorType(InvalidStateError, 'The operation is not possible in the present state.', (t) => ({
  current: t.string({ description: 'The present state.', resolve: ({ error: e }) => e.current }),
  allowed: t.stringList({
    description: 'Operations that are possible now.',
    resolve: ({ error: e }) => [...e.allowed],
  }),
}));
errorType(BusyError, 'Somebody else is working on the object.', (t) => ({
  taskId: t.id({
    nullable: true,
    description: 'The task that blocks, if a task does.',
    resolve: ({ error: e }) => e.taskId && encodeGlobalId('Task', e.taskId),
  }),
  operation: t.string({
    nullable: true,
    description: 'What is being done, and by whom where you may know that.',
    resolve: ({ error: e }) => e.operation,
  }),
  since: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'Since when.',
    resolve: ({ error: e }) => e.since,
  }),
  retryAfterMs: t.int({
    description: 'When to try again, in milliseconds.',
    resolve: ({ error: e }) => e.retryAfterMs,
  }),
}));
errorType(QuotaExceededError, "The project's quota does not allow it.", (t) => ({
  resource: t.string({
    description: 'Which resource, with its unit in the name.',
    resolve: ({ error: e }) => e.resource,
  }),
  limit: t.int({ description: 'The quota.', resolve: ({ error: e }) => e.limit }),
  used: t.int({ description: 'What is in use.', resolve: ({ error: e }) => e.used }),
  requested: t.int({
    description: 'What was asked for in addition.',
    resolve: ({ error: e }) => e.requested,
  }),
}));
errorType(
  NoSuitableNodeError,
  'No hypervisor node can take the virtual machine, or do the job.',
  (t) => ({
    verdicts: t.field({
      type: [VerdictType],
      description: 'The verdict on each node.',
      resolve: ({ error: e }) => [...e.verdicts],
    }),
  }),
);
errorType(StaleRecommendationError, 'What the recommendation was made from has changed.', (t) => ({
  reason: t.string({ description: 'What has changed.', resolve: ({ error: e }) => e.reason }),
}));
errorType(SubnetExhaustedError, 'The network has no address left to give.', (t) => ({
  network: t.string({
    description: 'The name of the network.',
    resolve: ({ error: e }) => e.subnet.network,
  }),
  cidr: t.field({
    type: 'CIDR',
    description: 'Its addresses.',
    resolve: ({ error: e }) => e.subnet.cidr,
  }),
  totalAddresses: t.field({
    type: 'BigInt',
    description: 'How many it may give: those of its DHCP range, if it has one.',
    resolve: ({ error: e }) => e.subnet.totalAddresses,
  }),
  usedAddresses: t.field({
    type: 'BigInt',
    description: 'How many of those are in use.',
    resolve: ({ error: e }) => e.subnet.usedAddresses,
  }),
}));
errorType(AddressInUseError, 'The address that was asked for is held by somebody.', (t) => ({
  address: t.field({
    type: 'IPAddress',
    description: 'The address.',
    resolve: ({ error: e }) => e.address,
  }),
  holder: t.string({
    nullable: true,
    description: 'The virtual machine that holds it; null when it is not visible to you.',
    resolve: ({ error: e }) => e.holder,
  }),
}));
errorType(NotConfiguredError, 'The server lacks a setting that this needs.', (t) => ({
  setting: t.string({
    description: 'The setting, as in docs/configuration.md.',
    resolve: ({ error: e }) => e.setting,
  }),
}));
errorType(PoolExhaustedError, 'The storage pool has not enough room.', (t) => ({
  capacityBytes: t.field({
    type: 'BigInt',
    description: 'How much it holds, in bytes.',
    resolve: ({ error: e }) => e.capacityBytes,
  }),
  claimedBytes: t.field({
    type: 'BigInt',
    description: 'How much of that is set aside, in bytes.',
    resolve: ({ error: e }) => e.claimedBytes,
  }),
  requestedBytes: t.field({
    type: 'BigInt',
    description: 'What was to be set aside in addition, in bytes.',
    resolve: ({ error: e }) => e.requestedBytes,
  }),
}));
errorType(ProtectedError, 'The object is protected against deletion.');
errorType(PlanStaleError, 'The request would not do what its plan says.');
errorType(IdempotencyMismatchError, 'The idempotency key was used with another request.');
errorType(
  InvalidCredentialsError,
  'Nobody was signed in: user name, password or account is not right.',
);
errorType(TooManyAttemptsError, 'Too many attempts to sign in have failed.', (t) => ({
  retryAfterMs: t.int({
    description: 'When to try again, in milliseconds.',
    resolve: ({ error: e }) => e.retryAfterMs,
  }),
}));
errorType(EnrolmentRefusedError, 'The enrolment token does not count.');
errorType(LastAdministratorError, 'Without this user nobody could administer the system any more.');
