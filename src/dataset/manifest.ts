import { z } from 'zod';
import type { Day } from './days.ts';

/** The version of the columns and of the manifest. */
export const SCHEMA_VERSION = 1;

export const MANIFEST = 'manifest.json';

/** Why a partition was written again, for whoever reads it. */
export const REASONS = {
  late: 'events were committed after it was built',
  retention: 'its keys or digests are kept no longer',
  fewer: 'events are missing in the database, which may have been restored',
  changed: 'the same number of rows has other contents',
  lost: 'its manifest was lost, or cannot be read',
} as const;

export type Reason = keyof typeof REASONS;

const file = z.object({
  name: z.string().regex(/^part-\d{5}-[0-9a-f]{16}\.(parquet|ndjson)$/),
  format: z.enum(['parquet', 'ndjson']),
  rows: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const manifest = z.object({
  schema: z.literal(SCHEMA_VERSION),
  date: z.string(),
  revision: z.int().positive(),
  rows: z.int().nonnegative(),
  keys: z.boolean(),
  digests: z.boolean(),
  restates: z
    .object({ revision: z.int().positive(), rows: z.int().nonnegative(), reason: z.string(), words: z.string() })
    .nullable(),
  files: z.array(file),
});

/** A file of a partition. Its name has the begin of its checksum: other contents have another name. */
export type PartFile = z.infer<typeof file>;

/** What a partition consists of. It says nothing of when it was built: who builds the same again writes the same bytes. */
export type Manifest = z.infer<typeof manifest>;

export const printManifest = (of: Manifest): string => `${JSON.stringify(of, null, 2)}\n`;

/** The manifest that stands there; null: there is none that can be read, so that the partition is not there. */
export function parseManifest(text: string | null, day: Day): Manifest | null {
  if (text === null) return null;
  try {
    const parsed = manifest.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.date === day ? parsed.data : null;
  } catch {
    return null;
  }
}

/** What was written of a day before: by its manifest, or by what Postgres remembers of one that was lost. */
export type Before = {
  readonly manifest: Manifest | null;
  readonly remembered: { revision: number; rows: number } | null;
};

type Built = Pick<Manifest, 'date' | 'rows' | 'keys' | 'digests' | 'files'>;

/**
 * The manifest of what was built. It is the same one as before where nothing else was built. Revisions only rise: a reader
 * who has seen one must not take a newer one for older.
 */
export function manifestOf(built: Built, { manifest, remembered }: Before): Manifest {
  const { date, rows, keys, digests, files } = built;
  const next = (restates: Manifest['restates']): Manifest => ({
    schema: SCHEMA_VERSION,
    date,
    revision: (restates?.revision ?? 0) + 1,
    rows,
    keys,
    digests,
    restates,
    files,
  });
  const because = (of: { revision: number; rows: number }, reason: Reason) =>
    next({ revision: of.revision, rows: of.rows, reason, words: REASONS[reason] });
  if (!manifest) return remembered ? because(remembered, 'lost') : next(null);
  const same = printManifest({ ...next(null), revision: manifest.revision, restates: manifest.restates });
  if (same === printManifest(manifest)) return manifest;
  const revision = Math.max(manifest.revision, remembered?.revision ?? 0);
  return because({ revision, rows: manifest.rows }, reasonOf(built, manifest));
}

function reasonOf(built: Built, before: Manifest): Reason {
  if (built.rows > before.rows) return 'late';
  if (built.rows < before.rows) return 'fewer';
  return built.keys !== before.keys || built.digests !== before.digests ? 'retention' : 'changed';
}
