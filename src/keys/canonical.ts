import { type SQL, sql } from 'drizzle-orm';
import { LetheError } from '../errors.ts';
import type { Executor } from '../store/client.ts';
import { UUID, WHOLE_NUMBER } from './parse.ts';
import type { KeyColumns, KeyValue } from './types.ts';

/**
 * The text of a key as the database prints it: `007` and `7`, or an upper-case uuid, are the same account. An
 * expression that gives what `encodeKey` gives for the printed parts.
 */
export function canonical(columns: KeyColumns, key: KeyValue): SQL {
  const printed = columns.map((column, i) => sql`${key[i]}::text::${sql.raw(column.type)}::text`);
  if (printed.length === 1) return printed[0] as SQL;
  return sql.join(
    printed.map((part) => sql`replace(replace(${part}, '%', '%25'), ',', '%2C')`),
    sql` || ',' || `,
  );
}

/** The same account's key as the database prints it, encoded. One round trip. */
export async function canonicalKey(db: Executor, columns: KeyColumns, key: KeyValue): Promise<string> {
  const [row] = await db.execute<{ key: string }>(sql`SELECT ${canonical(columns, key)} AS key`);
  return row?.key as string;
}

/**
 * The same without the database, where no catalog says the types of the columns: that must keep nobody from looking.
 * Throws `invalid_request` that names `field` for a text whose parts are neither whole numbers nor uuids.
 */
export function canonicalAsWritten(text: string, field: string): string {
  return text
    .split(',')
    .map((part) => {
      if (UUID.test(part)) return part.toLowerCase();
      if (WHOLE_NUMBER.test(part)) return BigInt(part).toString();
      throw new LetheError('invalid_request', `${field}: expected a whole number or a uuid`, { field });
    })
    .join(',');
}
