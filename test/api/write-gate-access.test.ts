/** Who may give which command: every mutation for every kind of caller, and what the audit log then says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeGlobalId, encodeGlobalId, newId } from '../../src/ids.js';
import { createTestApp, type TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { changedTables, digest } from '../support/digest.js';
import {
  createStage,
  documentOf,
  MUTATIONS,
  type MutationAnswer,
  mutate,
  outcomeOf,
  type Sample,
  type Stage,
  sampleOf,
} from '../support/mutations.js';
import type { Made } from '../support/seed.js';

/**
 * stranger: an operator of no project. reader: a viewer in the project. observer: an operator by role, but a viewer in the project.
 * demoted: a viewer by role, though an operator in the project. operator: both. agent: of a node that the command is not about.
 */
const PERSONAS = ['stranger', 'reader', 'observer', 'demoted', 'operator', 'agent'] as const;
type Persona = (typeof PERSONAS)[number];

/** F: visible, but forbidden. N: not found. +: done. Written from the table of permissions, not from the commands. */
const TABLE = `
                                stranger reader observer demoted operator agent
  acknowledgeAlert              F        F      F        F       F        N
  applyDrsRecommendation        N        F      F        F       F        N
  approveDrsRecommendation      F        F      F        F       F        N
  assignStoragePoolNodes        F        F      F        F       F        N
  attachCdrom                   N        F      F        F       +        N
  attachNetworkInterface        N        F      F        F       +        N
  attachVolume                  N        F      F        F       +        N
  bulkAcknowledgeAlerts         F        F      F        F       F        N
  bulkDeleteVirtualMachines     N        F      F        F       +        N
  bulkLabelVirtualMachines      N        F      F        F       +        N
  bulkMigrateVirtualMachines    N        F      F        F       +        N
  bulkPromoteVirtualMachines    N        F      F        F       +        N
  bulkStartVirtualMachines      N        F      F        F       +        N
  bulkStopVirtualMachines       N        F      F        F       +        N
  bulkCreateVirtualMachineSnapshots N        F      F        F       +        N
  bulkDeleteVolumes             N        F      F        F       +        N
  bulkPauseVirtualMachines      N        F      F        F       +        N
  bulkPurgeVirtualMachines      N        F      F        F       +        N
  bulkRebootVirtualMachines     N        F      F        F       +        N
  bulkResetVirtualMachines      N        F      F        F       +        N
  bulkResolveAlerts             F        F      F        F       F        N
  bulkRestoreVirtualMachines    N        F      F        F       +        N
  bulkResumeVirtualMachines     N        F      F        F       +        N
  bulkSuspendVirtualMachines    N        F      F        F       +        N
  bulkUpdateVirtualMachines     N        F      F        F       +        N
  bulkUpdateVolumes             N        F      F        F       +        N
  cancelTask                    N        F      F        F       +        N
  changePassword                +        +      +        +       +        F
  cloneVirtualMachine           N        F      F        F       +        N
  cloneVolume                   N        F      F        F       +        N
  cordonHypervisorNode          F        F      F        F       F        N
  createApiToken                +        +      +        +       +        F
  createCluster                 F        F      F        F       F        F
  createEnrolmentToken          F        F      F        F       F        N
  createProject                 F        F      F        F       F        F
  createSecurityGroup           N        F      F        F       +        N
  createSecurityRule            N        F      F        F       +        N
  createStoragePool             N        F      F        F       +        N
  createUser                    F        F      F        F       F        F
  createVirtualMachine          N        F      F        F       +        N
  createVirtualMachineSnapshot  N        F      F        F       +        N
  createVirtualNetwork          N        F      F        F       +        N
  createVolume                  N        F      F        F       +        N
  decommissionHypervisorNode    F        F      F        F       F        N
  deleteCluster                 F        F      F        F       F        N
  deleteHypervisorNode          F        F      F        F       F        N
  deleteImage                   N        F      F        F       +        N
  deleteProject                 N        F      F        F       F        N
  deleteSecurityGroup           N        F      F        F       +        N
  deleteSecurityRule            N        F      F        F       +        N
  deleteStoragePool             F        F      F        F       F        N
  deleteUser                    N        N      N        N       N        N
  deleteVirtualMachine          N        F      F        F       +        N
  deleteVirtualMachineSnapshot  N        F      F        F       +        N
  deleteVirtualNetwork          F        F      F        F       F        N
  deleteVolume                  N        F      F        F       +        N
  detachCdrom                   N        F      F        F       +        N
  detachNetworkInterface        N        F      F        F       +        N
  detachVolume                  N        F      F        F       +        N
  enrolHypervisorNode           +        +      +        +       +        +
  enterMaintenance              F        F      F        F       F        N
  exitMaintenance               F        F      F        F       F        N
  growVolume                    N        F      F        F       +        N
  issueAgentToken               F        F      F        F       F        N
  issueConsoleTicket            N        F      F        F       +        N
  labelVirtualMachine           N        F      F        F       +        N
  login                         +        +      +        +       +        +
  logout                        +        +      +        +       +        F
  migrateVirtualMachine         N        F      F        F       +        N
  moveVirtualMachine            N        F      F        F       N        N
  pauseVirtualMachine           N        F      F        F       +        N
  prepareStoragePool            F        F      F        F       F        N
  publishImage                  N        F      F        F       F        N
  purgeVirtualMachine           N        F      F        F       +        N
  raiseAlert                    F        F      F        F       F        F
  rebootVirtualMachine          N        F      F        F       +        N
  redeemConsoleTicket           F        F      F        F       F        N
  registerHypervisorNode        F        F      F        F       F        F
  registerImage                 N        F      F        F       +        N
  rejectDrsRecommendation       F        F      F        F       F        N
  removeProjectMember           N        F      F        F       F        N
  replaceSecurityRules          N        F      F        F       +        N
  reportNode                    F        F      F        F       F        N
  resetSystemConfig             F        F      F        F       F        F
  resetVirtualMachine           N        F      F        F       +        N
  promoteVirtualMachine         N        F      F        F       +        N
  resizeVirtualMachine          N        F      F        F       +        N
  resolveAlert                  F        F      F        F       F        N
  restoreVirtualMachine         N        F      F        F       +        N
  resumeVirtualMachine          N        F      F        F       +        N
  revertVirtualMachineSnapshot  N        F      F        F       +        N
  revokeApiToken                N        N      N        N       N        N
  revokeEnrolmentToken          N        N      N        N       N        N
  revokeOtherSessions           +        +      +        +       +        F
  revokeSession                 N        N      N        N       N        N
  revokeUserSessions            N        N      N        N       N        N
  setInterfaceSecurityGroups    N        F      F        F       +        N
  setProjectMember              N        F      F        F       F        N
  setSystemConfig               F        F      F        F       F        F
  setUserPassword               N        N      N        N       N        N
  startVirtualMachine           N        F      F        F       +        N
  stopVirtualMachine            N        F      F        F       +        N
  suspendVirtualMachine         N        F      F        F       +        N
  unassignStoragePoolNodes      F        F      F        F       F        N
  uncordonHypervisorNode        F        F      F        F       F        N
  unpublishImage                N        F      F        F       +        N
  updateCluster                 F        F      F        F       F        N
  updateHypervisorNode          F        F      F        F       F        N
  updateImage                   N        F      F        F       +        N
  updateProject                 N        F      F        F       F        N
  updateSecurityGroup           N        F      F        F       +        N
  updateStoragePool             N        F      F        F       +        N
  updateUser                    N        N      N        N       N        N
  updateVirtualMachine          N        F      F        F       +        N
  updateVirtualMachineSnapshot  N        F      F        F       +        N
  updateVirtualNetwork          F        F      F        F       F        N
  updateVolume                  N        F      F        F       +        N
`;
const expected = new Map(
  TABLE.trim()
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [mutation = '', ...cells] = line.trim().split(/\s+/);
      return PERSONAS.map((persona, i) => [`${mutation} ${persona}`, cells[i]] as const);
    }),
);

let world: TestApp;
let stage: Stage;
const members: { user: Made; role: 'OPERATOR' | 'VIEWER' }[] = [];

beforeAll(async () => {
  world = await createTestApp();
  stage = await createStage(world);
  const roles = {
    reader: ['VIEWER', 'VIEWER'],
    observer: ['OPERATOR', 'VIEWER'],
    demoted: ['VIEWER', 'OPERATOR'],
    operator: ['OPERATOR', 'OPERATOR'],
  } as const;
  await world.seed.user('OPERATOR', { username: 'stranger' });
  for (const [username, [role, projectRole]] of Object.entries(roles)) {
    members.push({ user: await world.seed.user(role, { username }), role: projectRole });
  }
  for (const { user, role } of members) await world.seed.member(stage.project, user, role);
});
afterAll(() => world.stop());

/** The input field that names what a command is about: the whole before the part. */
const subjectField = (input: object) =>
  ['virtualMachineId', 'securityGroupId', 'ids', 'id', 'projectId', 'nodeId', 'clusterId'].find(
    (field) => field in input,
  ) ?? 'id';
const subjectOf = (input: Readonly<Record<string, unknown>>) =>
  decodeGlobalId(String([input[subjectField(input)]].flat()[0]));

/** One session for each; a session of its own where it is to be ended. */
const clients = new Map<Persona, Promise<Client>>();
function clientOf(persona: Persona, mutation?: string): Promise<Client> {
  if (mutation === 'logout') return newClient(persona);
  const client = clients.get(persona) ?? newClient(persona);
  clients.set(persona, client);
  return client;
}
async function newClient(persona: Persona): Promise<Client> {
  if (persona !== 'agent') return world.signIn(persona);
  return world.withToken(await world.seed.agentToken(stage.node));
}

/** They sign in again for other mutations. */
async function restorePassword(username: Persona): Promise<void> {
  const { db } = world.data;
  const { passwordHash } = await db.user.findUniqueOrThrow({ where: { username: 'stage-admin' } });
  await db.user.update({ where: { username }, data: { passwordHash } });
}

/** Samples that are about a project of their own have to let the members in. */
async function letMembersIn(mutation: string, input: Readonly<Record<string, unknown>>) {
  const decoded = decodeGlobalId(String(input.id ?? ''));
  if (decoded?.type !== 'Project') return;
  const project = { uuid: decoded.id, id: String(input.id), name: mutation };
  for (const { user, role } of members) await world.seed.member(project, user, role);
  await world.app.services.hints.announce([
    { type: 'ProjectMember', id: decoded.id, projectId: decoded.id, kind: 'CREATED' },
  ]);
}

/** The mutations that the table knows. */
const LISTED = MUTATIONS.filter((mutation) => expected.has(`${mutation} stranger`));

it('every mutation has a row in the table', () => {
  expect(MUTATIONS.filter((mutation) => !LISTED.includes(mutation))).toEqual([]);
});

describe.each(LISTED)('%s', (mutation) => {
  /** Made once for all who are refused: they leave it as it is, which every test sees for itself. */
  let untouched: Sample['input'];
  let before: Awaited<ReturnType<typeof digest>>;
  beforeAll(async () => {
    for (const persona of PERSONAS) await clientOf(persona);
    untouched = (await sampleOf(mutation, stage)).input;
    await letMembersIn(mutation, untouched);
    before = await digest(world.data);
  });

  it.each(PERSONAS)('by the %s', async (persona) => {
    const outcome = expected.get(`${mutation} ${persona}`);
    const client = await clientOf(persona, mutation);
    if (mutation === 'logout') before = await digest(world.data); // signing in for it is seen
    let input = untouched;
    if (outcome === '+') {
      ({ input } = await sampleOf(mutation, stage));
      await letMembersIn(mutation, input);
    }
    const { data, errors, headers } = await client.answer<{ answer: MutationAnswer }, unknown>(
      documentOf(mutation),
      { input },
    );
    expect(errors).toEqual([]);
    const answer = outcomeOf(data?.answer);
    if (outcome === '+') {
      expect(answer?.__typename).toMatch(/Payload$/);
      if (mutation === 'changePassword') await restorePassword(persona);
      before = await digest(world.data);
      return;
    }
    const hidden = outcome === 'N';
    expect(answer).toMatchObject(
      hidden
        ? { __typename: 'NotFoundError', code: 'NOT_FOUND', retryable: false }
        : { __typename: 'ForbiddenError', permission: expect.stringMatching(/^[a-z]+:[a-z]+$/) },
    );
    const after = await digest(world.data);
    expect(changedTables(before, after)).toEqual(['audit_log']);
    before = after;
    const about = subjectOf(input);
    const requestId = headers.get('x-request-id') ?? '';
    const entries = await world.data.db.auditEntry.findMany({ where: { requestId } });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({
      status: 'DENIED',
      username: expect.stringContaining(persona === 'agent' ? 'agent:' : persona),
      details: { error: { code: hidden ? 'NOT_FOUND' : 'FORBIDDEN' } },
      ...(hidden ? { resourceType: about?.type, resourceId: about?.id } : {}),
    });
  });

  it('by nobody', async () => {
    const input = untouched;
    const { data, errors } = await world.anonymous.answer(documentOf(mutation), { input });
    if (mutation === 'login' || mutation === 'enrolHypervisorNode') {
      expect(errors).toEqual([]);
      return;
    }
    expect(data).toBeNull();
    expect(errors.map((e) => e.extensions.code)).toEqual(['UNAUTHENTICATED']);
    const changed = changedTables(before, await digest(world.data));
    expect(changed.filter((table) => table !== 'audit_log')).toEqual([]);
    // All of them together once a minute: see audit-refused.test.ts.
    await world.app.services.audit.flush();
  });
});

describe('what is hidden', () => {
  const ABOUT_ONE = LISTED.filter((m) => expected.get(`${m} stranger`) === 'N');

  it.each(ABOUT_ONE)('is answered by %s exactly like what does not exist', async (mutation) => {
    const { input } = await sampleOf(mutation, stage);
    const stranger = await clientOf('stranger');
    const field = subjectField(input);
    const never = encodeGlobalId(subjectOf(input)?.type ?? '', newId());
    const absent = { ...input, [field]: field === 'ids' ? [never] : never };
    const hidden = outcomeOf(await mutate(stranger, mutation, input));
    expect(hidden).toEqual(outcomeOf(await mutate(stranger, mutation, absent)));
    const one = mutation === 'bulkCreateVirtualMachineSnapshots' ? 'virtualMachineId' : 'id';
    expect(hidden).toMatchObject({ path: [field === 'ids' ? one : field] });
  });

  it('stays hidden behind references: another tenant’s volume, network or group is not found', async () => {
    const { seed } = world;
    const other = await seed.project();
    const pool = await seed.pool();
    const volume = await seed.volume(other, pool);
    const network = await seed.network({ projectId: other.uuid });
    const group = await seed.group(other);
    const open = await seed.network();
    const operator = await clientOf('operator');
    const create = (parts: object) =>
      mutate(operator, 'createVirtualMachine', {
        projectId: stage.project.id,
        name: 'spy',
        spec: { cpu: { cores: 1 }, memory: { sizeMib: 512 }, ...parts },
      });
    expect(await create({ disks: [{ name: 'd', volumeId: volume.id }] })).toMatchObject({
      __typename: 'NotFoundError',
      resourceType: 'Volume',
      path: ['spec', 'disks', '0', 'volumeId'],
    });
    expect(await create({ nics: [{ name: 'n', networkId: network.id }] })).toMatchObject({
      resourceType: 'VirtualNetwork',
      path: ['spec', 'nics', '0', 'networkId'],
    });
    const nic = { name: 'n', networkId: open.id, securityGroupIds: [group.id] };
    expect(await create({ nics: [nic] })).toMatchObject({
      resourceType: 'SecurityGroup',
      path: ['spec', 'nics', '0', 'securityGroupIds'],
    });
  });

  it('is not to be had for a project of one’s own either: what belongs to another project is refused', async () => {
    const { seed } = world;
    const mine = await seed.project();
    const volume = await seed.volume(mine, await seed.pool());
    const answer = await mutate(stage.admin, 'createVirtualMachine', {
      projectId: stage.project.id,
      name: 'mixed',
      spec: {
        cpu: { cores: 1 },
        memory: { sizeMib: 512 },
        disks: [{ name: 'd', volumeId: volume.id }],
      },
    });
    expect(answer).toMatchObject({ code: 'VALIDATION', path: ['spec', 'disks', '0', 'volumeId'] });
    expect(answer.message).toContain('another project');
  });
});
