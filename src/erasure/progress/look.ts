import { eq, getTableColumns, sql } from 'drizzle-orm';
import type { Database } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import type { Erasure } from '../model/states.ts';
import { type Progress, type ProgressRow, progressOf, type Reads, withAsked } from './status.ts';

/** An erasure as it is at one moment. */
export type Seen = { erasure: Erasure; progress: Progress };

/** The statement's text is made once: what is asked for most often is asked with the same words each time. */
const statements = new WeakMap<Database, ReturnType<typeof prepare>>();

const prepare = (db: Database) =>
  db
    .select({
      ...getTableColumns(erasure),
      tasks: sql<ProgressRow[] | null>`lethe.progress_of(${erasure.id})`,
    })
    .from(erasure)
    .where(eq(erasure.id, sql.placeholder('id')))
    .prepare('look');

/** Reads an erasure and its progress in one statement; null when there is none. */
export async function look(ctx: Reads, id: string): Promise<Seen | null> {
  const statement = statements.get(ctx.db) ?? prepare(ctx.db);
  statements.set(ctx.db, statement);
  const [row] = await statement.execute({ id });
  if (!row) return null;
  const { tasks, ...found } = row;
  return { erasure: found, progress: await withAsked(ctx, found, progressOf(ctx, found, tasks ?? [])) };
}
