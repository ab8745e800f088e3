import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ms, { type StringValue } from 'ms';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { UsageError } from '../errors.ts';
import { columnName, splitColumn } from './ignored.ts';
import { fullName, locationName, nameParts, tableName } from './names.ts';

const identifier = z.string().min(1).max(63);
const table = z
  .string()
  .refine(
    (text) => nameParts(text) !== undefined,
    'expected a table, or schema.table; a name with a space or a dot stands in quotes, such as "my table"',
  )
  .describe('A table of schema public, or schema.table. A name with a space or a dot stands in quotes.');
const WITH_UNIT = /^\d+(\.\d+)?\s*(ms|s|m|h|d|w|y)$/;
const duration = z
  .string()
  // Without a unit the library takes milliseconds, and it throws for an empty text.
  .refine(
    (text) => WITH_UNIT.test(text) && (ms(text as StringValue) ?? 0) > 0,
    'expected a duration such as 24h or 30d',
  )
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

const account = z.strictObject({
  table,
  key: identifier.describe("The column of the account's key: unique, an integer or a uuid."),
  email: identifier.optional().describe('The column that the confirmation is mailed to.'),
  flag: identifier.optional().describe('A timestamp: set when a request is accepted, cleared by an undo.'),
  created: identifier.optional().describe('A timestamp: tells an account from a newer one with the same key.'),
  hold: identifier.optional().describe('The column that says that the account must be kept: true, or not null.'),
  unreferenced: z
    .literal('acknowledged', { error: 'expected "acknowledged"' })
    .optional()
    .describe('No foreign key points at the table, so that `lethe catalog check` can only go by the names of columns.'),
  threshold: threshold
    .default(1000)
    .describe('Rows in any one location, or time for all of them, from which an erasure is scheduled.'),
});
const location = z.strictObject({
  name: identifier.optional().describe('Its name in progress and evidence. Default: the table.'),
  table,
  account: identifier.describe("The column that holds the account's key."),
  owner: z.string().min(1).max(100).describe('The team that answers for it.'),
  action: z
    .literal('delete', { error: 'only "delete" is supported by this version' })
    .default('delete')
    .describe("What becomes of an account's rows."),
  at: z.literal('request').optional().describe('Deleted by the request itself: sessions.'),
  sla: duration.optional().describe('Time from the request to the end, such as 24h.'),
});
const ignored = z
  .strictObject({
    table: table.optional().describe("A table that holds no account's data, or is erased elsewhere."),
    column: z
      .string()
      .refine((text) => (nameParts(text, 3)?.length ?? 0) >= 2, 'expected table.column, or schema.table.column')
      .optional()
      .describe("A column, table.column or schema.table.column: no account's key, or not whose row it is."),
    reason: z.string().trim().min(1, 'expected a reason').max(500).describe('Why it need not be erased.'),
  })
  .refine(
    (i) => (i.table === undefined) !== (i.column === undefined),
    'expected a table or a column, and one of them only',
  )
  .meta({ oneOf: [{ required: ['table'] }, { required: ['column'] }] });

const declaration = z.strictObject({
  account: account.describe('The table with one row per account.'),
  locations: z.array(location).min(1).describe("The places that hold an account's data."),
  ignore: z
    .array(ignored)
    .optional()
    .describe('Tables and columns that `lethe catalog check` need not find in the catalog.'),
});

/** A JSON Schema of the file, for editors. */
export const catalogSchema = () => ({
  title: 'The catalog of Lethe',
  ...z.toJSONSchema(declaration, { io: 'input', target: 'draft-7' }),
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
    const key = fullName(location.table);
    const name = locationName(location);
    for (const unique of [`table ${key}`, `name ${name}`]) {
      const first = seen.get(unique);
      if (first) problems.push(`${file}: locations.${index}: ${unique} is listed twice, first at ${first}`);
      else seen.set(unique, `locations.${index}`);
    }
    if (key === fullName(parsed.data.account.table)) {
      problems.push(`${file}: locations.${index}: ${location.table} is the account table; list only what it owns`);
    } else if (name === tableName(parsed.data.account.table).table) {
      // The task of the account's own row has that name, and an erasure has one task of each name.
      problems.push(`${file}: locations.${index}: the name ${name} is the account's own: give the location another`);
    }
  }
  problems.push(...checkIgnored(parsed.data, seen, file));
  if (problems.length > 0) throw new UsageError(problems);
  // Without what only the check reads: that changes no erasure, and those under way need not keep another catalog for it.
  const { ignore: _, account, ...rest } = parsed.data;
  const erased = { account: { ...account, unreferenced: undefined }, ...rest };
  const digest = createHash('sha256').update(JSON.stringify(erased)).digest('hex').slice(0, 16);
  return { ...parsed.data, digest, source: written };
}

function checkIgnored(
  { account, locations, ignore = [] }: z.infer<typeof declaration>,
  seen: ReadonlyMap<string, string>,
  file: string,
): string[] {
  const problems: string[] = [];
  const ignored = new Map<string, string>();
  const holders = new Map(locations.map((l, i) => [columnName(fullName(l.table), l.account), `locations.${i}`]));
  for (const [index, entry] of ignore.entries()) {
    const place = `ignore.${index}`;
    const of = entry.column === undefined ? undefined : splitColumn(entry.column);
    const key = of ? columnName(of.table, of.column) : fullName(`${entry.table}`);
    const what = `${of ? 'column' : 'table'} ${key}`;
    const listed = of ? holders.get(key) : seen.get(what);
    const first = ignored.get(key);
    if (key === fullName(account.table)) problems.push(`${file}: ${place}: ${entry.table} is the account table`);
    else if (listed && of)
      problems.push(`${file}: ${place}: ${what} is the account column of ${listed}: it cannot be both`);
    else if (listed) problems.push(`${file}: ${place}: ${what} is listed at ${listed}: it cannot be both`);
    else if (first) problems.push(`${file}: ${place}: ${what} is listed twice, first at ${first}`);
    else ignored.set(key, place);
  }
  return problems;
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
