import { SQL, type SQLChunk, StringChunk, sql } from 'drizzle-orm';
import { qualified } from '../../catalog/live/names.ts';
import type { TableName } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import { belongsTo, column, tuple, values, walks } from '../../keys/sql.ts';
import type { KeyColumns, KeyValue } from '../../keys/types.ts';
import type { Executor } from '../../store/client.ts';
import { quoted } from '../../store/quoted.ts';
import { AboutTable } from '../../store/sql-errors.ts';

// Texts, and not a nested part for each name: putting the parts together is what the API spends most of its time on.
const text = (words: string): StringChunk => new StringChunk(words);

/** `"schema"."table"`. */
export const relation = (t: TableName): SQLChunk => text(`${quoted(t.schema)}.${quoted(t.table)}`);

/** The account's rows with keys above `lower` (null: from the start) and up to `upper` (null: all of them). */
export function rowsBetween(
  alias: string,
  location: { account: KeyColumns; key: KeyColumns },
  account: KeyValue,
  lower: KeyValue | null,
  upper: KeyValue | null,
): SQL {
  if (upper === null) return walks(alias, location.account, account);
  const above = lower ? sql`${tuple(alias, location.key)} > ${values(location.key, lower)} AND ` : sql``;
  return sql`${belongsTo(alias, location.account, account)} AND ${above}${tuple(alias, location.key)} <= ${values(location.key, upper)}`;
}

/** `child.fk = parent.ref AND …` for a foreign key. */
export const joins = (child: string, columns: readonly string[], parent: string, referenced: readonly string[]): SQL =>
  new SQL([
    text(columns.map((c, i) => `${column(child, c)} = ${column(parent, referenced[i] as string)}`).join(' AND ')),
  ]);

/** Runs a statement that changes rows and returns how many. */
export async function affected(db: Executor, statement: SQL): Promise<number> {
  return (await db.execute(statement)).count;
}

type Named = TableName & { readonly name?: string };

/** Runs a statement about one or more of the application's tables; its failure names them. */
export async function about<T>(tables: Named | readonly Named[], work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LetheError || error instanceof AboutTable) throw error;
    const all = [tables].flat();
    const names = all.map(qualified).join(', ');
    throw all.length > 1
      ? new AboutTable(`one of ${names}`, undefined, error)
      : new AboutTable(names, all[0]?.name, error);
  }
}
