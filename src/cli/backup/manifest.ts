/** What an archive says of itself. */
import { z } from 'zod';

/** Raised when programs of before could not restore what is written now. */
export const FORMAT = 1;
export const PARTS = {
  manifest: 'manifest.json',
  seal: 'seal.json',
  /** Written when the archive was restored to prove it, or that failed. */
  proof: 'verified.json',
  database: 'database.dump',
  settings: 'settings.json',
  keys: 'keys.sealed',
} as const;

const partSchema = z.strictObject({
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

export const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  id: z.uuid(),
  createdAt: z.iso.datetime(),
  program: z.string(),
  postgres: z.strictObject({
    /** As in `server_version_num`. */
    version: z.int(),
    database: z.string(),
    collate: z.string(),
    ctype: z.string(),
    /** The whole database when it was dumped. */
    bytes: z.int().min(0),
  }),
  migrations: z.array(z.strictObject({ name: z.string(), checksum: z.string() })),
  /** Rows by table, counted in the snapshot that was dumped. */
  tables: z.record(z.string(), z.int().min(0)),
  /** Where the change feed stood; null: an earlier schema, without it. */
  feed: z.nullable(z.strictObject({ epoch: z.int(), seq: z.string() })),
  /** How many shared settings; null: etcd did not answer, and they are missing. */
  settings: z.nullable(z.int().min(0)),
  /** How many files of configuration and keys; null: there was no backup key, and they are missing. */
  keys: z.nullable(z.int().min(0)),
  parts: z.record(z.string(), partSchema),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const proofSchema = z.strictObject({
  at: z.iso.datetime(),
  /** Null: it was restored, and all was there. */
  failure: z.nullable(z.string()),
});
export type Proof = z.infer<typeof proofSchema>;

/** PostgreSQL's `server_version_num` as people say it. */
export const major = (version: number): number => Math.floor(version / 10_000);
