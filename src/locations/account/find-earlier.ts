import { type SQL, sql } from 'drizzle-orm';
import { relation } from '../../catalog/live/statement.ts';
import type { AccountTable } from '../../catalog/live/types.ts';
import { belongsTo } from '../../keys/sql.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Executor } from '../../store/client.ts';
import { keptText } from '../../store/kept-text.ts';
import { createdOf } from './row.ts';

/**
 * Of these erasures of one key, the ids of those whose account is gone while the key has a row. That is somebody new:
 * which of the rows that carry the key are whose cannot be told any more.
 *
 * What was completed has deleted its account's row. Otherwise the time of creation tells: another one than at the
 * request, and later than it or without our flag. (An application that rewrites its times keeps the flag.) A catalog
 * without `created` leaves the flag: the request has set it, and a new row does not have it.
 */
export async function findEarlier(
  db: Executor,
  table: AccountTable,
  key: KeyValue,
  ids: readonly string[],
): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const values = { key, ids: JSON.stringify(ids) };
  const statement = keptText(table, 'find earlier', values, (slots) => {
    const unflagged = (without: string): SQL =>
      table.flag ? sql`a.${sql.identifier(table.flag)} IS NULL` : sql.raw(without);
    const created = createdOf(table, 'a');
    const later = sql`${created} > extract(epoch FROM e.requested_at)`;
    return sql`
      SELECT e.id FROM ${relation(table)} AS a, lethe.erasure AS e
       WHERE ${belongsTo('a', table.key, slots.key)}
         AND e.id IN (SELECT id::uuid FROM jsonb_array_elements_text(${slots.ids}::jsonb) AS wanted (id))
         AND (e.completed_at IS NOT NULL OR e.newer_account_at IS NOT NULL
           OR CASE WHEN e.account_created IS NOT NULL
                   THEN ${created}::text IS DISTINCT FROM e.account_created AND (${later} OR ${unflagged('true')})
                   WHEN ${created} IS NOT NULL THEN ${later}
                   -- An undo has lifted the flag.
                   ELSE e.state <> 'cancelled' AND ${unflagged('false')} END)`;
  });
  const rows = await db.execute<{ id: string }>(statement);
  return new Set(rows.map((row) => row.id));
}
