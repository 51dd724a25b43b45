/**
 * How a shared setting lies in etcd: `{"value", "updatedAt", "updatedBy", "requestId"}`, or the bare value where somebody put it there
 * by hand. A reset leaves `null` behind, so that versions go on rising and it shows who did it.
 */
import { z } from 'zod';
import type { SharedSetting } from '../coordination/coordination.js';

export interface StoredSetting {
  readonly key: string;
  /** As one would write it in config.yaml; null: it was reset. */
  readonly value: string | null;
  readonly version: number;
  readonly revision: bigint;
  /** Null: unknown, put there by hand. */
  readonly updatedAt: Date | null;
  readonly updatedBy: string | null;
  readonly requestId: string | null;
}

/** Nothing is there, and nothing was. */
export const NEVER_SET = { value: null, version: 0, revision: 0n } as const;

const MAX_VALUE = 1000;
const MAX_NAME = 253;
const MAX_ID = 63;
const Envelope = z.object({
  value: z.string().nullable(),
  updatedAt: z.iso.datetime().nullish(),
  updatedBy: z.string().nullish(),
  requestId: z.string().nullish(),
});

export function readSetting({ key, value: text, version, revision }: SharedSetting): StoredSetting {
  const { value, updatedAt, updatedBy, requestId } = envelopeIn(text) ?? { value: text };
  return {
    key,
    value: storable(value, MAX_VALUE),
    version,
    revision,
    updatedAt: updatedAt ? new Date(updatedAt) : null,
    updatedBy: storable(updatedBy, MAX_NAME),
    requestId: storable(requestId, MAX_ID),
  };
}

export function writeSetting(setting: {
  readonly value: string | null;
  readonly updatedAt: Date | null;
  readonly updatedBy: string | null;
  readonly requestId: string | null;
}): string {
  const { value, updatedAt, updatedBy, requestId } = setting;
  return JSON.stringify({ value, updatedAt, updatedBy, requestId });
}

/** As the log and the audit can hold it, whoever wrote it: what is longer, or no text, is no value of any setting. */
function storable(text: string | null | undefined, length: number): string | null {
  if (text === null || text === undefined) return null;
  const cut = text.slice(0, length).replaceAll('\0', '\ufffd');
  return cut.toWellFormed(); // half a surrogate pair is no text
}

/** Null where it is none: no value of a setting begins with a brace. */
function envelopeIn(text: string): z.output<typeof Envelope> | null {
  if (!text.startsWith('{')) return null;
  try {
    return Envelope.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
