import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import type { Kind } from '../locations/kind.ts';
import { KINDS, type Kinds } from '../locations/kinds/registry.ts';
import { kindOfEntry } from './entries.ts';
import { findSecrets, NO_SECRET } from './find-secrets.ts';
import { nameParts } from './live/names.ts';
import { OUTCOMES } from './live/types.ts';
import { writtenName, writtenTable } from './live/written.ts';
import { WATCHING, watchingKeys, watchingShape } from './watching.ts';

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
  table: writtenTable('say which table has a row for each account: table: users'),
  key: writtenName("say which column is the account's key: key: id").describe(
    "The column of the account's key: unique, an integer or a uuid.",
  ),
  email: writtenName().optional().describe('The column that the confirmation is mailed to.'),
  flag: writtenName().optional().describe('A timestamp: set when a request is accepted, cleared by an undo.'),
  created: writtenName().optional().describe('A timestamp: tells an account from a newer one with the same key.'),
  hold: writtenName().optional().describe('The column that says that the account must be kept: true, or not null.'),
  unreferenced: z
    .literal('acknowledged', { error: 'expected "acknowledged"' })
    .optional()
    .describe('No foreign key points at the table, so that `lethe catalog check` can only go by the names of columns.'),
  threshold: threshold
    .default(1000)
    .describe('Rows in any one location, or time for all of them, from which an erasure is scheduled.'),
});
const ignored = z
  .strictObject({
    table: writtenTable().optional().describe("A table that holds no account's data, or is erased elsewhere."),
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

/** What becomes of the data: one of the kind's outcomes. The kind says itself why it refuses another. */
function actionOf({ outcomes }: Kind) {
  const supported = OUTCOMES.filter((outcome) => !('refused' in outcomes[outcome]));
  const others = `only ${supported.map((one) => `"${one}"`).join(', ')} ${supported.length === 1 ? 'is' : 'are'} supported by this version`;
  const action = z.literal(supported, {
    error: ({ input }) => {
      const outcome = OUTCOMES.find((one) => one === input);
      const carrier = outcome && outcomes[outcome];
      return carrier && 'refused' in carrier ? carrier.refused : others;
    },
  });
  const words = "What becomes of an account's rows.";
  return supported.includes('delete') ? action.default('delete').describe(words) : action.describe(words);
}

const DATA = 'expected a kind of data in 1 to 60 characters, such as files';

/** An entry of `locations:` of one kind: its own keys between those that all kinds have. The digest depends on their order. */
const entrySchema = (kind: Kind) =>
  z.strictObject({
    ...(kind.outside
      ? {}
      : { name: writtenName().optional().describe('Its name in progress and evidence. Default: the table.') }),
    ...kind.declare.shape,
    owner: z.string().min(1).max(100).describe('The team that answers for it.'),
    action: actionOf(kind),
    // What outlives the account takes no part in the transaction that accepts the request.
    ...(kind.inside
      ? { at: z.literal('request').optional().describe('Deleted by the request itself: sessions.') }
      : {}),
    sla: duration.optional().describe('Time from the request to the end, such as 24h.'),
    data: z
      .string()
      .trim()
      .min(1, DATA)
      .max(60, DATA)
      .regex(/^\P{C}*$/u, DATA)
      .optional()
      .describe('What users are told that it is: files, payments. They are never told the name of a system.'),
  });

/** Why an entry of a partner that has a name instead is refused; undefined for others. */
function namedLikeTable(written: unknown): string | undefined {
  const { name, partner } = written as { name?: unknown; partner?: unknown };
  if (partner !== undefined || typeof name !== 'string') return undefined;
  return `a partner's name stands under partner: write partner: ${name} in the place of name`;
}

/** An entry of any kind: the kind whose key it has judges it, so that its own errors are told and no other kind's. */
function anyEntry(kinds: Kinds): z.ZodType {
  const schemas = new Map(Object.values(kinds).map((kind) => [kind, entrySchema(kind)]));
  return z.unknown().transform((written, context) => {
    const kind = kindOfEntry(kinds, written);
    if (typeof kind === 'string') {
      context.addIssue(kind);
      return z.NEVER;
    }
    const misnamed = kind.outside ? namedLikeTable(written) : undefined;
    if (misnamed) {
      context.issues.push({ code: 'custom', path: ['partner'], message: misnamed, input: written });
      return z.NEVER;
    }
    const secrets = kind.outside ? findSecrets(written) : [];
    for (const path of secrets) context.issues.push({ code: 'custom', path, message: NO_SECRET, input: written });
    const parsed = schemas.get(kind)?.safeParse(written);
    const said = new Set(secrets.map((path) => path.join('.')));
    for (const issue of parsed?.error?.issues ?? [])
      if (!said.has(issue.path.join('.'))) context.issues.push({ ...issue, input: written } as z.core.$ZodRawIssue);
    if (secrets.length > 0) return z.NEVER;
    return parsed?.data ?? z.NEVER;
  });
}

/** The file: its keys, what each may hold, and what an editor says about it. */
const fileSchema = (entry: z.ZodType) =>
  z.strictObject({
    account: account.describe('The table with one row per account.'),
    locations: z.array(entry).min(1).describe("The places that hold an account's data."),
    ignore: z
      .array(ignored)
      .optional()
      .describe('Tables and columns that `lethe catalog check` need not find in the catalog.'),
    ...watchingShape,
  });

/** What a file may say that is about these kinds. */
export const declarationOf = (kinds: Kinds) => fileSchema(anyEntry(kinds));

/** A JSON Schema of the file, for editors. */
export function catalogSchema(kinds: Kinds = KINDS) {
  const [first, ...others] = Object.values(kinds).map(entrySchema);
  const entry = first && others.length > 0 ? z.union([first, ...others]) : (first ?? z.never());
  return { title: 'The catalog of Lethe', ...z.toJSONSchema(fileSchema(entry), { io: 'input', target: 'draft-7' }) };
}

/** The keys that a part of the file knows, by `partOf`; `written` is what stands there. */
export function knownKeys(kinds: Kinds, part: string, written: unknown): readonly string[] {
  if (part === '') return ['account', 'locations', 'ignore', ...WATCHING];
  if (part === 'account') return Object.keys(account.shape);
  if (part === 'ignore') return Object.keys(ignored.shape);
  if (part !== 'locations') return watchingKeys(part);
  const kind = kindOfEntry(kinds, written);
  return typeof kind === 'string' ? [] : Object.keys(entrySchema(kind).shape);
}
