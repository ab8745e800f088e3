import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { nameParts } from './live/names.ts';

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

/** The file: its keys, what each may hold, and what an editor says about it. */
export const declaration = z.strictObject({
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

/** The keys that each part of the file knows. */
export const KNOWN_KEYS: Record<string, readonly string[]> = {
  '': Object.keys(declaration.shape),
  account: Object.keys(account.shape),
  locations: Object.keys(location.shape),
  ignore: Object.keys(ignored.shape),
};
