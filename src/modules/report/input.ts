/** What an agent says in a report, and what it is told. Shapes and limits. */
import { z } from 'zod';
import { idOf, ipAddress, optional } from '../../core/input.js';
import { nodeSpecInput, systemInfoInput } from '../node/spec.js';
import type { JobResult } from '../task/kinds.js';

const NOTHING_MADE: JobResult = { volumes: [] };

const percent = z.number().min(0).max(100);
const amount = z.number().min(0).max(Number.MAX_SAFE_INTEGER);
const generation = z.number().int().min(0).max(2_147_483_647);

export const metricsInput = z.object({
  sampledAt: z.date(),
  cpuPercent: percent,
  memoryUsedMib: amount,
  memoryTotalMib: amount,
  diskUsedGib: amount,
  diskTotalGib: amount,
  diskReadBytesPerSecond: amount,
  diskWriteBytesPerSecond: amount,
  networkReceiveBytesPerSecond: amount,
  networkTransmitBytesPerSecond: amount,
  loadAverage1m: amount,
  uptimeSeconds: amount,
});

const observedVm = z.object({
  virtualMachineId: idOf('VirtualMachine'),
  powerState: z.enum(['STOPPED', 'RUNNING', 'PAUSED', 'SUSPENDED', 'CRASHED', 'UNKNOWN']),
  generation,
  progressPercent: optional(percent),
  error: z
    .object({ generation, reason: z.string().max(1000) })
    .nullish()
    .transform((error) => error ?? null),
  ipAddresses: optional(z.array(ipAddress).max(64)),
  guestAgentRunning: optional(z.boolean()),
  cpuPercent: optional(percent),
  memoryUsedMib: optional(amount),
  uptimeSeconds: optional(amount),
});

const text = (most: number) => optional(z.string().max(most));
const bytes = optional(z.bigint().min(0n));

const jobReport = z.object({
  taskId: idOf('Task'),
  status: z.enum(['RUNNING', 'DONE', 'FAILED', 'CANCELLED']),
  progressPercent: optional(percent),
  reason: text(1000),
  result: z
    .object({
      volumes: optional(
        z
          .array(
            z.object({
              volumeId: idOf('Volume'),
              path: text(1024),
              devicePath: text(1024),
              actualSizeBytes: bytes,
            }),
          )
          .max(64),
      ).transform((volumes) => volumes ?? []),
      sizeBytes: bytes,
      capacityBytes: bytes,
      usedBytes: bytes,
      path: text(1024),
    })
    .nullish()
    .transform((result): JobResult => ({ ...NOTHING_MADE, ...result })),
});

export const reportInput = z.object({
  nodeId: idOf('HypervisorNode'),
  agentInstance: z.uuid('must be a UUID, new for each start of the agent'),
  sequence: z.bigint().min(1n),
  spec: optional(nodeSpecInput),
  systemInfo: optional(systemInfoInput),
  metrics: metricsInput,
  virtualMachines: z.array(observedVm).max(1000), // more would not fit into a request (limits.max_request_bytes)
  jobs: optional(z.array(jobReport).max(500)).transform((jobs) => jobs ?? []),
});

export type Report = z.output<typeof reportInput>;
export type JobReport = Report['jobs'][number];
export type ObservedVm = Report['virtualMachines'][number];
export type NodeMetricsInput = z.output<typeof metricsInput>;
