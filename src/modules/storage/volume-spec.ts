/** What `volumes.spec` holds: `{ source, qos, accessMode }`. Pure. */
import { z } from 'zod';
import { type Part, readKey, readPart } from '../../core/json-part.js';
import { isUuid } from '../../ids.js';

export const ACCESS_MODES = ['READ_WRITE_ONCE', 'READ_ONLY_MANY', 'READ_WRITE_MANY'] as const;
export const VOLUME_SOURCES = ['EMPTY', 'CLONE', 'SNAPSHOT', 'IMAGE'] as const;

export type AccessMode = (typeof ACCESS_MODES)[number];
export type VolumeSourceType = (typeof VOLUME_SOURCES)[number];

/** Bytes per second; JSON keeps a number, other writers may have kept decimal digits, and the API's BigInt sends a bigint. */
const throughput = z
  .union([z.number(), z.bigint(), z.string().regex(/^\d{1,16}$/)])
  .transform(Number)
  .pipe(z.number().int().min(1).max(Number.MAX_SAFE_INTEGER));

/** Limits of a volume; null is unlimited. */
export const QOS = {
  maxIops: z.number().int().min(1).max(10_000_000),
  maxThroughputBytes: throughput,
} as const;

export type Qos = Part<typeof QOS>;

const SOURCE = {
  type: z.enum(VOLUME_SOURCES),
  id: z.string().refine(isUuid, 'must be a UUID'),
} as const;

/** The API type of what a volume was made from. Snapshots are the points in time of a virtual machine. */
const SOURCE_ENTITY: Readonly<Record<VolumeSourceType, string | null>> = {
  EMPTY: null,
  CLONE: 'Volume',
  SNAPSHOT: 'VirtualMachineSnapshot',
  IMAGE: 'Image',
};

export interface VolumeSource {
  readonly type: VolumeSourceType;
  /** The API type and the UUID of what the content came from; both null for EMPTY and where it was not recorded. */
  readonly entity: string | null;
  readonly id: string | null;
}

export interface VolumeSpec {
  readonly source: VolumeSource | null;
  readonly qos: Qos;
  readonly accessMode: AccessMode | null;
}

/** Reads a stored spec; parts that are missing or of another shape are null. */
export function readVolumeSpec(json: unknown): VolumeSpec {
  const { type, id } = readPart(SOURCE, readKey(json, 'source'));
  const entity = type && SOURCE_ENTITY[type];
  return {
    source: type && { type, entity: entity && id ? entity : null, id: entity ? id : null },
    qos: readPart(QOS, readKey(json, 'qos')),
    accessMode: readPart({ accessMode: z.enum(ACCESS_MODES) }, json).accessMode,
  };
}
