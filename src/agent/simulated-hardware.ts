/** The hardware of simulated nodes: a seed always gets the same server out of a small, plausible catalogue. */
import { hash32 } from './noise.js';
import type { NodeSpec } from './types.js';

const GIB_IN_MIB = 1024;
const X86_SERVER_FEATURES = ['aes', 'avx', 'avx2', 'constant_tsc', 'rdrand', 'sse4_2', 'x2apic'];

type Model = Omit<NodeSpec, 'networks'> & { networkSpeedsMbps: readonly number[] };

const CATALOGUE: readonly [Model, ...Model[]] = [
  {
    cpu: {
      model: 'AMD EPYC 7543 32-Core Processor',
      sockets: 2,
      coresPerSocket: 32,
      threadsPerCore: 2,
      frequencyMhz: 2_800,
      features: [...X86_SERVER_FEATURES, 'svm', 'sha_ni', 'npt'],
    },
    memory: { totalMib: 512 * GIB_IN_MIB },
    storage: [
      { name: 'nvme0n1', type: 'NVME', sizeGib: 894 },
      { name: 'nvme1n1', type: 'NVME', sizeGib: 3_576 },
      { name: 'nvme2n1', type: 'NVME', sizeGib: 3_576 },
    ],
    networkSpeedsMbps: [25_000, 25_000],
  },
  {
    cpu: {
      model: 'Intel(R) Xeon(R) Gold 6348 CPU @ 2.60GHz',
      sockets: 2,
      coresPerSocket: 28,
      threadsPerCore: 2,
      frequencyMhz: 2_600,
      features: [...X86_SERVER_FEATURES, 'vmx', 'ept', 'avx512f'],
    },
    memory: { totalMib: 512 * GIB_IN_MIB },
    storage: [
      { name: 'sda', type: 'SSD', sizeGib: 447 },
      { name: 'sdb', type: 'SSD', sizeGib: 1_788 },
      { name: 'sdc', type: 'SSD', sizeGib: 1_788 },
    ],
    networkSpeedsMbps: [10_000, 10_000, 1_000],
  },
  {
    cpu: {
      model: 'AMD EPYC 7313P 16-Core Processor',
      sockets: 1,
      coresPerSocket: 16,
      threadsPerCore: 2,
      frequencyMhz: 3_000,
      features: [...X86_SERVER_FEATURES, 'svm', 'sha_ni', 'npt'],
    },
    memory: { totalMib: 256 * GIB_IN_MIB },
    storage: [
      { name: 'nvme0n1', type: 'NVME', sizeGib: 894 },
      { name: 'sda', type: 'HDD', sizeGib: 11_176 },
      { name: 'sdb', type: 'HDD', sizeGib: 11_176 },
      { name: 'sdc', type: 'HDD', sizeGib: 11_176 },
      { name: 'sdd', type: 'HDD', sizeGib: 11_176 },
    ],
    networkSpeedsMbps: [25_000, 25_000],
  },
];

/** Picks the server that `seed` stands for, and gives its network ports addresses of their own. */
export function hardwareFor(seed: string): NodeSpec {
  const model = CATALOGUE[hash32(`${seed}/model`) % CATALOGUE.length] ?? CATALOGUE[0];
  const { networkSpeedsMbps, ...spec } = structuredClone(model);
  const networks = networkSpeedsMbps.map((speedMbps, index) => ({
    name: `eno${index + 1}`,
    macAddress: macAddressFor(`${seed}/${index}`),
    speedMbps,
    mtu: speedMbps >= 10_000 ? 9_000 : 1_500,
  }));
  return { ...spec, networks };
}

/** An address of the locally administered range (02:...), which no manufacturer hands out. */
function macAddressFor(key: string): string {
  const digits = (
    hash32(`${key}/mac`).toString(16).padStart(8, '0') + hash32(key).toString(16).padStart(8, '0')
  ).slice(0, 10);
  return ['02', ...(digits.match(/../g) ?? [])].join(':');
}
