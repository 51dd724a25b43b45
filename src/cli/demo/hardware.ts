/** The server models that the demo's nodes are. */
import type { NodeSpec } from '../../modules/node/spec.js';

export type HardwareName = 'epyc64' | 'epyc32' | 'xeon56' | 'gpu' | 'storage';

/** A model's ports get addresses once it is a particular machine. */
export type Hardware = Omit<NodeSpec, 'networks'> & { readonly portsMbps: readonly number[] };

const AMD = ['aes', 'avx', 'avx2', 'npt', 'rdrand', 'sha_ni', 'sse4_2', 'svm', 'x2apic'];
const INTEL = ['aes', 'avx', 'avx2', 'avx512f', 'ept', 'rdrand', 'sse4_2', 'vmx', 'x2apic'];

const GIB_IN_MIB = 1024;

type DiskType = NodeSpec['storage'][number]['type'];

function disks(prefix: string, type: DiskType, sizesGib: readonly number[]): NodeSpec['storage'] {
  const name = (index: number): string =>
    type === 'NVME' ? `${prefix}${index}n1` : `${prefix}${String.fromCharCode(97 + index)}`;
  return sizesGib.map((sizeGib, index) => ({ name: name(index), type, sizeGib }));
}

function cpu(model: string, sockets: number, coresPerSocket: number, frequencyMhz: number) {
  const features = model.startsWith('AMD') ? AMD : INTEL;
  return { model, sockets, coresPerSocket, threadsPerCore: 2, frequencyMhz, features };
}

export const HARDWARE: Readonly<Record<HardwareName, Hardware>> = {
  epyc64: {
    cpu: cpu('AMD EPYC 7713P 64-Core Processor', 1, 64, 2_000),
    memory: { totalMib: 512 * GIB_IN_MIB },
    storage: disks('nvme', 'NVME', [894, 3_576, 3_576]),
    portsMbps: [25_000, 25_000, 1_000],
  },
  epyc32: {
    cpu: cpu('AMD EPYC 7543P 32-Core Processor', 1, 32, 2_800),
    memory: { totalMib: 256 * GIB_IN_MIB },
    storage: disks('nvme', 'NVME', [894, 1_788]),
    portsMbps: [10_000, 10_000, 1_000],
  },
  xeon56: {
    cpu: cpu('Intel(R) Xeon(R) Gold 6348 CPU @ 2.60GHz', 2, 28, 2_600),
    memory: { totalMib: 512 * GIB_IN_MIB },
    storage: disks('sd', 'SSD', [447, 1_788, 1_788]),
    portsMbps: [25_000, 25_000, 1_000],
  },
  gpu: {
    cpu: cpu('AMD EPYC 9354 32-Core Processor', 2, 32, 3_250),
    memory: { totalMib: 768 * GIB_IN_MIB },
    storage: disks('nvme', 'NVME', [894, 1_788, 1_788]),
    portsMbps: [100_000, 100_000, 1_000],
  },
  storage: {
    cpu: cpu('AMD EPYC 7313P 16-Core Processor', 1, 16, 3_000),
    memory: { totalMib: 256 * GIB_IN_MIB },
    storage: [
      ...disks('nvme', 'NVME', [894, 1_788]),
      ...disks(
        'sd',
        'HDD',
        Array.from({ length: 12 }, () => 16_764),
      ),
    ],
    portsMbps: [25_000, 25_000, 1_000],
  },
};
