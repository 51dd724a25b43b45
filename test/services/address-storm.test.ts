/** Hundreds of machines that want an address at the same moment: each gets one of its own, and nobody is refused while there is room. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Data } from '../../src/data/client.js';
import type { TestApp } from '../support/app.js';
import type { Client } from '../support/client.js';
import { type MutationAnswer, mutate } from '../support/mutations.js';
import type { Made } from '../support/seed.js';
import { ADAPTERS, createCrowdApp, openPatientData } from './crowd.js';

/** A /24 for PostgreSQL; the embedded database, which runs one transaction at a time, is ten times slower and gets a /26. */
const SIZES = {
  postgres: { prefix: 24, machines: 300, room: 253 },
  memory: { prefix: 26, machines: 75, room: 61 },
} as const;

describe.each(ADAPTERS)('on %s', (on) => {
  const { prefix, machines, room } = SIZES[on];
  let data: Data;
  let world: TestApp;
  let admin: Client;
  /** Three: each has a quota of its own, on whose row its machines would wait for each other. */
  let projects: Made[];

  beforeAll(async () => {
    data = await openPatientData(on);
    world = await createCrowdApp(data);
    await world.seed.user('ADMIN', { username: 'ada' });
    admin = await world.signIn('ada');
    await world.seed.node(await world.seed.cluster());
    projects = [];
    for (let i = 0; i < 3; i += 1) projects.push(await world.seed.project());
  });
  afterAll(async () => {
    await world.stop();
    await data.close();
  });

  let count = 0;
  const create = (nics: object[]): Promise<MutationAnswer> => {
    count += 1;
    return mutate(admin, 'createVirtualMachine', {
      projectId: projects[count % 3]?.id,
      name: `vm-${count}`,
      spec: { cpu: { cores: 1 }, memory: { sizeMib: 256 }, nics },
    });
  };
  const held = async ({ uuid }: Made): Promise<string[]> => {
    const rows = await data.db.$queryRaw<{ address: string }[]>`
      SELECT host(address) AS address FROM ip_addresses WHERE network_id = ${uuid}::uuid ORDER BY ip_addresses.address`;
    return rows.map(({ address }) => address);
  };
  const isMade = ({ __typename }: MutationAnswer) => __typename === 'CreateVirtualMachinePayload';

  it(`${machines} machines share the ${room} addresses of a /${prefix}, and the others hear that it is full`, async () => {
    const network = await world.seed.network({ cidr: `10.20.0.0/${prefix}`, gateway: '10.20.0.1' });
    const nic = { name: 'eth0', networkId: network.id };
    const answers = await Promise.all(Array.from({ length: machines }, () => create([nic])));
    const refused = answers.filter((answer) => !isMade(answer));
    expect(answers.filter(isMade)).toHaveLength(room);
    const full = {
      __typename: 'SubnetExhaustedError',
      network: network.name,
      totalAddresses: String(room),
      usedAddresses: String(room),
    };
    for (const answer of refused) expect(answer).toMatchObject(full);
    expect(await held(network)).toEqual(Array.from({ length: room }, (_, i) => `10.20.0.${i + 2}`));

    // What is given back is given again: two machines go, three come.
    const holders = await data.db.ipAddress.findMany({
      where: { networkId: network.uuid },
      select: { address: true, interface: { select: { virtualMachineId: true } } },
    });
    for (const address of ['10.20.0.27', '10.20.0.49']) {
      const uuid = holders.find((row) => row.address === address)?.interface.virtualMachineId;
      const id = Buffer.from(`VirtualMachine:${uuid}`).toString('base64url');
      const answer = await mutate(admin, 'deleteVirtualMachine', { id });
      expect(answer.__typename).toBe('DeleteVirtualMachinePayload');
    }
    expect(await held(network)).toHaveLength(room - 2);
    const again = await Promise.all([create([nic]), create([nic]), create([nic])]);
    expect(again.filter(isMade)).toHaveLength(2);
    expect(again.find((answer) => !isMade(answer))).toMatchObject(full);
    expect(await held(network)).toHaveLength(room);
  }, 120_000);

  it('machines on the same networks do not get stuck on each other, whichever they name first', async () => {
    const [one, two] = [
      await world.seed.network({ cidr: '10.21.0.0/24' }),
      await world.seed.network({ cidr: '2001:db8:21::/64' }),
    ];
    const nics = [
      { name: 'a', networkId: one.id },
      { name: 'b', networkId: two.id },
    ];
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => create(i % 2 ? nics : [...nics].reverse())),
    );
    expect(answers.filter((answer) => !isMade(answer))).toEqual([]);
    expect(await held(one)).toEqual(Array.from({ length: 30 }, (_, i) => `10.21.0.${i + 1}`));
    expect(await held(two)).toEqual(
      Array.from({ length: 30 }, (_, i) => `2001:db8:21::${(i + 1).toString(16)}`),
    );
  });

  it('an address, and a MAC address, that many ask for goes to one of them', async () => {
    const network = await world.seed.network({ cidr: '10.22.0.0/24' });
    const nic = { name: 'eth0', networkId: network.id };
    const wanting = (part: object) =>
      Promise.all(Array.from({ length: 12 }, () => create([{ ...nic, ...part }])));
    const byAddress = await wanting({ ipAddresses: ['10.22.0.50'] });
    expect(byAddress.filter(isMade)).toHaveLength(1);
    for (const answer of byAddress.filter((one) => !isMade(one)))
      expect(answer).toMatchObject({ code: 'ADDRESS_IN_USE', address: '10.22.0.50' });
    const byMac = await wanting({ macAddress: '02:00:00:00:22:22' });
    expect(byMac.filter(isMade)).toHaveLength(1);
    for (const answer of byMac.filter((one) => !isMade(one)))
      expect(answer).toMatchObject({ code: 'ALREADY_EXISTS', field: 'macAddress' });
  });

  it('an address plan that shrinks while addresses are given leaves nobody outside of it', async () => {
    const network = await world.seed.network({ cidr: '10.23.0.0/24' });
    const nic = { name: 'eth0', networkId: network.id };
    const shrink = mutate(admin, 'updateVirtualNetwork', { id: network.id, cidr: '10.23.0.0/28' });
    const [answer] = await Promise.all([
      shrink,
      ...Array.from({ length: 40 }, () => create([nic])),
    ]);
    const left = (await held(network)).length;
    if (answer?.__typename === 'UpdateVirtualNetworkPayload') expect(left).toBe(14);
    else expect([answer?.code, left]).toEqual(['IN_USE', 40]);
  });
});
