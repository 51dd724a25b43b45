/**
 * A project that nobody may hear of, whose objects hold, use and block what others share or own: partly as it comes about every day
 * (an address of a shared network, a public image), partly as it must not be written, and was perhaps by an earlier release.
 */
import type { TestApp } from './app.js';
import type { Made } from './seed.js';

/** In every name of the project and of what is in it. */
export const MARK = 'sesame';
/** What its machine holds in the shared network. */
export const ADDRESS = '10.77.0.66';

export type SecretProject = Awaited<ReturnType<typeof makeSecretProject>>;

export async function makeSecretProject(world: TestApp) {
  const { seed, data } = world;
  const { db } = data;
  const project = await seed.project({ name: `${MARK}-project` });
  const own = await seed.project();
  const target = await seed.project();
  const memberships = { [own.uuid]: 'OPERATOR', [target.uuid]: 'OPERATOR' } as const;
  await seed.user('OPERATOR', { username: 'member', projects: memberships });
  await seed.user('ADMIN', { username: 'all-knowing' });

  const cluster = await seed.cluster();
  const node = await seed.node(cluster);
  const away = await seed.node(cluster, { phase: 'NOT_READY' });
  const placed = { cluster, node, claimed: true, powerState: 'SUSPENDED' } as const;
  const vm = await seed.vm(project, { ...placed, name: `${MARK}-vm` });
  /** Nobody who could do something reaches it. */
  const pool = await seed.pool({
    name: `${MARK}-pool`,
    projectId: project.uuid,
    assignedNodeIds: [away.uuid],
  });
  const sharedPool = await seed.pool();
  const sharedNetwork = await seed.network({ cidr: '10.77.0.0/24' });
  await seed.networkInterface(vm, sharedNetwork, { name: `${MARK}-nic`, addresses: [ADDRESS] });
  const network = await seed.network({ name: `${MARK}-network`, projectId: project.uuid });
  const group = await seed.group(project, { name: `${MARK}-group` });
  const publicImage = await seed.image({
    projectId: project.uuid,
    poolId: pool.uuid,
    public: true,
  });
  const image = await seed.image({ name: `${MARK}-image`, projectId: project.uuid });
  const volume = (name: string, spec: object = {}, parent: Made | null = null): Promise<Made> =>
    seed.volume(project, pool, { name: `${MARK}-${name}`, spec, parentId: parent?.uuid ?? null });

  const ids = [project, vm, pool, network, group, image].flatMap(({ id, uuid }) => [id, uuid]);

  return {
    project,
    network,
    group,
    volume: await volume('volume'),
    alert: await seed.alert({ title: `${MARK}-alert`, projectId: project.uuid }),
    own,
    target,
    cluster,
    node,
    vm,
    pool,
    sharedPool,
    sharedNetwork,
    publicImage,
    member: await world.signIn('member'),
    admin: await world.signIn('all-knowing'),

    /** The words and ids of the project in an answer, but for those that were in the question. */
    leaksIn(answer: unknown, question: unknown): string[] {
      const [text, asked] = [JSON.stringify(answer), JSON.stringify(question)];
      return [MARK, ADDRESS, ...ids].filter((word) => text.includes(word) && !asked.includes(word));
    },
    async useGroup({ uuid: securityGroupId }: Made): Promise<void> {
      const virtualMachineId = vm.uuid;
      await db.vmSecurityGroup.create({ data: { virtualMachineId, securityGroupId } });
    },
    async useNetwork(of: Made): Promise<void> {
      await seed.networkInterface(vm, of, { name: `${MARK}-${of.name}` });
    },
    async useImage({ uuid: imageId }: Made): Promise<void> {
      const spec = { cpu: { cores: 1 }, memory: { sizeMib: 1024 }, cdroms: [{ imageId }] };
      await seed.vm(project, { name: `${MARK}-boots-${imageId}`, spec });
      await volume(`from-${imageId}`, { source: { type: 'IMAGE', id: imageId, linked: true } });
    },
    copy: (of: Made) =>
      volume(`copy-${of.uuid}`, { source: { type: 'CLONE', id: of.uuid, linked: true } }, of),
    /** A machine of the member's with what it must not have, or must not have any more. */
    async tiedMachine(): Promise<Made> {
      const cdroms = [{ imageId: image.uuid }];
      const spec = { cpu: { cores: 1 }, memory: { sizeMib: 1024 }, cdroms };
      const tied = await seed.vm(own, { spec, cluster });
      const data = { virtualMachineId: tied.uuid, securityGroupId: group.uuid };
      await db.vmSecurityGroup.create({ data });
      await seed.networkInterface(tied, network);
      await seed.volume(own, pool, { attachedVmId: tied.uuid, phase: 'IN_USE' });
      return tied;
    },
  };
}
