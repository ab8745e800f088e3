import type { TableName } from './types.ts';

/** Words that PostgreSQL 15 to 18 do not take as the name of a table or column without quotes. */
export const RESERVED: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
  column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
  current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
  from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
  localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
  returning right select session_user similar some symmetric system_user table tablesample then to trailing true union
  unique user using variadic verbose when where window with`.split(/\s+/),
);

/** A name as a statement needs it: in quotes where PostgreSQL would read it otherwise. */
export const identifier = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** Names with commas between them, for a statement. */
export const identifiers = (names: readonly string[]): string => names.map(identifier).join(', ');

/** `schema.table` as a statement needs it. Within Lethe it also is the name that tells tables apart. */
export const qualified = (t: TableName): string => `${identifier(t.schema)}.${identifier(t.table)}`;

const PART = /"((?:[^"]|"")+)"|([^."\s]+)/;
const WHOLE = (most: number) => new RegExp(`^(?:${PART.source})(?:\\.(?:${PART.source})){0,${most - 1}}$`);

/**
 * The parts of a written name, `schema.table` or `"my schema"."my table"`, or undefined where it is none.
 * What stands without quotes is taken as it is written, also in its case.
 */
export function nameParts(text: string, most = 2): string[] | undefined {
  if (!WHOLE(most).test(text)) return undefined;
  return [...text.matchAll(new RegExp(PART, 'g'))].map(
    ([, inside, plain]) => inside?.replaceAll('""', '"') ?? `${plain}`,
  );
}

/** `posts` means `public.posts`: the search path is session state, which a pooler does not keep. */
export function tableName(text: string): TableName {
  const [first, second] = (nameParts(text) ?? [text]) as [string, string?];
  return second === undefined ? { schema: 'public', table: first } : { schema: first, table: second };
}

/** The name that tells the table of a catalog's text apart, however it is written. */
export const fullName = (text: string): string => qualified(tableName(text));

/** What a location is called in progress and evidence: its name, or its table as it is written, without quotes. */
export const locationName = (location: { name?: string | undefined; table: string }): string =>
  location.name ?? (nameParts(location.table) ?? [location.table]).join('.');
