import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ms, { type StringValue } from 'ms';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { UsageError } from '../errors.ts';

const identifier = z.string().min(1).max(63);
const table = z.string().regex(/^[^.\s]+(\.[^.\s]+)?$/, 'expected a table, or schema.table');
const duration = z
  .string()
  // `ms` throws for an empty text.
  .refine((text) => text !== '' && (ms(text as StringValue) ?? 0) > 0, 'expected a duration such as 24h or 30d')
  .transform((text) => ms(text as StringValue));

/** Rows in any one location, or the time that deleting all of the account is predicted to take. */
const THRESHOLD = 'expected a number of rows from 1 to 100000, or a duration of at most 10s such as 1s';
const threshold = z.union(
  [
    z.int().min(1, THRESHOLD).max(100_000, THRESHOLD),
    duration.refine((value) => value <= 10_000, THRESHOLD).transform((value) => ({ ms: value })),
  ],
  { error: THRESHOLD },
);

const declaration = z.strictObject({
  account: z.strictObject({
    table,
    key: identifier,
    email: identifier.optional(),
    flag: identifier.optional(),
    created: identifier.optional(),
    hold: identifier.optional(),
    threshold: threshold.default(1000),
  }),
  locations: z
    .array(
      z.strictObject({
        name: identifier.optional(),
        table,
        account: identifier,
        owner: z.string().min(1).max(100),
        action: z.literal('delete', { error: 'only "delete" is supported by this version' }).default('delete'),
        at: z.literal('request').optional(),
        sla: duration.optional(),
      }),
    )
    .min(1),
});

/** The catalog as written (`source`) and as understood: shape and values are checked, the live schema is not. */
export type Declaration = z.infer<typeof declaration> & { digest: string; source: unknown };

/** Parses catalog text. Throws a UsageError that lists every problem with its path in the file. */
export function parseCatalog(text: string, file = 'catalog'): Declaration {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new UsageError(document.errors.map((e) => `${file}: ${e.message.split('\n')[0]}`));
  }
  let written: unknown;
  try {
    written = document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    // An alias without its anchor, or too many of them: found only when they are resolved.
    throw new UsageError([`${file}: ${(error as Error).message}`]);
  }
  return parseDeclaration(written, file);
}

/** Checks a catalog that is no text any more. Throws a UsageError like `parseCatalog`. */
export function parseDeclaration(written: unknown, file: string): Declaration {
  const parsed = declaration.safeParse(written);
  if (!parsed.success) {
    throw new UsageError(parsed.error.issues.map((i) => `${file}: ${i.path.join('.') || 'the file'}: ${i.message}`));
  }
  const seen = new Map<string, string>();
  const problems: string[] = [];
  for (const [index, location] of parsed.data.locations.entries()) {
    const key = location.table.includes('.') ? location.table : `public.${location.table}`;
    const name = location.name ?? location.table;
    for (const unique of [`table ${key}`, `name ${name}`]) {
      const first = seen.get(unique);
      if (first) problems.push(`${file}: locations.${index}: ${unique} is listed twice, first at ${first}`);
      else seen.set(unique, `locations.${index}`);
    }
    if (
      key ===
      (parsed.data.account.table.includes('.') ? parsed.data.account.table : `public.${parsed.data.account.table}`)
    ) {
      problems.push(`${file}: locations.${index}: ${location.table} is the account table; list only what it owns`);
    } else if (name === parsed.data.account.table.split('.').at(-1)) {
      // The task of the account's own row has that name, and an erasure has one task of each name.
      problems.push(`${file}: locations.${index}: the name ${name} is the account's own: give the location another`);
    }
  }
  if (problems.length > 0) throw new UsageError(problems);
  const digest = createHash('sha256').update(JSON.stringify(parsed.data)).digest('hex').slice(0, 16);
  return { ...parsed.data, digest, source: written };
}

/** Reads and parses the catalog file. Throws a UsageError that says what to do. */
export function loadCatalog(file: string): Declaration {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError([`LETHE_CATALOG: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`]);
  }
  return parseCatalog(text, file);
}
