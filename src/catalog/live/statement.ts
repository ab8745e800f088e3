import { SQL, type SQLChunk, StringChunk } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { column } from '../../keys/sql.ts';
import { quoted } from '../../store/quoted.ts';
import { AboutTable } from '../../store/sql-errors.ts';
import { qualified } from './names.ts';
import type { TableName } from './types.ts';

// Texts, and not a nested part for each name: putting the parts together is what the API spends most of its time on.
const text = (words: string): StringChunk => new StringChunk(words);

/** `"schema"."table"`. */
export const relation = (t: TableName): SQLChunk => text(`${quoted(t.schema)}.${quoted(t.table)}`);

/** `child.fk = parent.ref AND …` for a foreign key. */
export const joins = (child: string, columns: readonly string[], parent: string, referenced: readonly string[]): SQL =>
  new SQL([
    text(columns.map((c, i) => `${column(child, c)} = ${column(parent, referenced[i] as string)}`).join(' AND ')),
  ]);

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
