/** What a hypervisor node is made of: the JSON columns `spec`, `system_info` and `allocatable`, with their limits. Pure. */
import { z } from 'zod';
import type { Capacity } from './rules.js';

const word = z.string().max(255);
const count = z.number().int().min(0).max(1_000_000);

export const nodeSpecInput = z.object({
  cpu: z.object({
    model: word,
    sockets: z.number().int().min(1).max(64),
    coresPerSocket: z.number().int().min(1).max(1024),
    threadsPerCore: z.number().int().min(1).max(16),
    frequencyMhz: z.number().int().min(0).max(100_000),
    features: z.array(z.string().max(63)).max(1000),
  }),
  memory: z.object({ totalMib: z.number().int().min(1).max(1_000_000_000) }),
  storage: z
    .array(z.object({ name: word, type: z.enum(['HDD', 'SSD', 'NVME']), sizeGib: count }))
    .max(1000),
  networks: z
    .array(
      z.object({
        name: word,
        macAddress: z.string().max(32),
        speedMbps: z.number().int().min(0).max(10_000_000).nullish(),
        mtu: z.number().int().min(0).max(1_000_000),
      }),
    )
    .max(1000),
});

export const systemInfoInput = z.object({
  os: word,
  kernel: word,
  architecture: word,
  hypervisorVersion: word,
  agentVersion: word,
});

export type NodeSpec = z.output<typeof nodeSpecInput>;
export type SystemInfo = z.output<typeof systemInfoInput>;

/** What virtual machines may take of such a machine, before overcommit. */
export function allocatableOf(spec: NodeSpec): Capacity {
  const { sockets, coresPerSocket, threadsPerCore } = spec.cpu;
  return {
    vcpus: sockets * coresPerSocket * threadsPerCore,
    memoryMib: spec.memory.totalMib,
    storageGib: spec.storage.reduce((sum, disk) => sum + disk.sizeGib, 0),
  };
}

/** What is stored, or null when it is not (yet) all there. */
export function readNodeSpec(json: unknown): NodeSpec | null {
  return nodeSpecInput.safeParse(json).data ?? null;
}

export function readSystemInfo(json: unknown): SystemInfo | null {
  return systemInfoInput.safeParse(json).data ?? null;
}
