/** The demo's images: what virtual machines are made from. */
import type { Prisma } from '../../gen/client/client.js';
import { type Ago, demoId } from './ids.js';
import { type ProjectName, projectId } from './projects.js';
import { poolId } from './storage.js';

export type ImageName =
  | 'debian-13' | 'ubuntu-24-04' | 'rocky-9' | 'alpine-3-22' | 'windows-2025'
  | 'cuda-workbench' | 'coreos-44' | 'freebsd-15'; // biome-ignore format: a list

interface ImagePlan {
  readonly name: ImageName;
  readonly os: 'linux' | 'windows' | 'freebsd';
  readonly variant: string;
  readonly format?: 'QCOW2' | 'ISO' | 'RAW';
  readonly sizeMib: number;
  /** AVAILABLE when not given. */
  readonly phase?: 'DOWNLOADING' | 'ERROR';
  /** Whose it is; when not given it is nobody's, and public. */
  readonly project?: ProjectName;
  /** The least that a machine needs: vCPUs, MiB of memory, GiB of disk. */
  readonly min: readonly [cpu: number, memoryMib: number, diskGib: number];
  readonly days: number;
  readonly description: string;
}

// biome-ignore format: a table
export const IMAGES: readonly ImagePlan[] = [
  { name: 'debian-13', os: 'linux', variant: 'debian13', sizeMib: 412, min: [1, 512, 8], days: 55.6,
    description: 'Debian 13, cloud image with cloud-init.' },
  { name: 'ubuntu-24-04', os: 'linux', variant: 'ubuntu24.04', sizeMib: 597, min: [1, 1_024, 10], days: 55.5,
    description: 'Ubuntu 24.04 LTS, cloud image with cloud-init.' },
  { name: 'rocky-9', os: 'linux', variant: 'rocky9', sizeMib: 634, min: [1, 1_024, 10], days: 55.4,
    description: 'Rocky Linux 9, what the databases run on.' },
  { name: 'alpine-3-22', os: 'linux', variant: 'alpine3.22', sizeMib: 168, min: [1, 256, 2], days: 55.3,
    description: 'Alpine Linux 3.22, for small servers.' },
  { name: 'windows-2025', os: 'windows', variant: 'win2k25', format: 'ISO', sizeMib: 5_734, min: [2, 4_096, 64], days: 40.5,
    description: 'Installation medium. Bring your own licence.' },
  { name: 'cuda-workbench', os: 'linux', variant: 'ubuntu24.04', sizeMib: 18_944, project: 'analytics', min: [4, 16_384, 100], days: 40.9,
    description: 'Ubuntu with GPU drivers, Python and notebooks, built by the analytics team.' },
  { name: 'coreos-44', os: 'linux', variant: 'fedora-coreos', sizeMib: 1_690, phase: 'DOWNLOADING', min: [2, 2_048, 10], days: 0.01,
    description: 'For container hosts that are configured with Ignition.' },
  { name: 'freebsd-15', os: 'freebsd', variant: 'freebsd15', format: 'RAW', sizeMib: 0, phase: 'ERROR', min: [1, 1_024, 10], days: 2.4,
    description: 'The download ended early: its checksum was wrong.' },
];

export const imageId = (name: ImageName): string => demoId('Image', name);

/** What the guest calls itself, for a machine made from the image. */
export function variantOf(name: ImageName): string {
  return IMAGES.find((image) => image.name === name)?.variant ?? '';
}

export function imageRows(ago: Ago): (Prisma.ImageCreateManyInput & { sizeBytes: bigint })[] {
  return IMAGES.map(({ name, os, variant, sizeMib, phase, project, min, days, ...plan }) => {
    const format = plan.format ?? 'QCOW2';
    return {
      id: imageId(name),
      name,
      description: plan.description,
      osType: os,
      osVariant: variant,
      poolId: poolId('nfs-library'),
      // of one that is downloading: what will be there in the end, and is set aside already
      sizeBytes: BigInt(sizeMib) * 1_048_576n,
      format,
      path: phase === 'ERROR' ? '' : `images/${name}.${format.toLowerCase()}`,
      phase: phase ?? 'AVAILABLE',
      minCpu: min[0],
      minMemoryMib: min[1],
      minDiskGib: min[2],
      public: project === undefined,
      projectId: project ? projectId(project) : null,
      createdAt: ago(days),
      updatedAt: ago(days),
    };
  });
}
