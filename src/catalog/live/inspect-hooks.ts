import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { named } from './inspect.ts';
import { qualified } from './names.ts';
import type { Hook, TableName } from './types.ts';

/** Enabled triggers of `tables` and their partitions, and rules of `tables`, that a DELETE or UPDATE sets off; without those of foreign keys. */
export async function inspectHooks(db: Executor, tables: readonly TableName[]): Promise<Hook[]> {
  const rows = await db.execute<Hook & { schema: string }>(sql`
    WITH RECURSIVE listed(schema, name, oid, top) AS (
      SELECT n.nspname, c.relname, c.oid, true FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE (n.nspname, c.relname) IN (${named(tables)})
      UNION SELECT listed.schema, listed.name, i.inhrelid, false FROM pg_inherits i JOIN listed ON i.inhparent = listed.oid)
    SELECT l.schema, l.name AS table, e.event, 'trigger' AS kind, t.tgname AS name, bool_or((t.tgtype & 3) = 3) AS vetoes
      FROM listed l JOIN pg_trigger t ON t.tgrelid = l.oid
           JOIN (VALUES ('DELETE', 8), ('UPDATE', 16)) AS e(event, bit) ON t.tgtype & e.bit <> 0
     WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
     GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT l.schema, l.name, CASE r.ev_type WHEN '4' THEN 'DELETE' ELSE 'UPDATE' END, 'rule', r.rulename, r.is_instead
      FROM listed l JOIN pg_rewrite r ON r.ev_class = l.oid
     WHERE l.top AND r.ev_type IN ('2', '4') AND r.ev_enabled IN ('O', 'A')
     ORDER BY 1, 2, 3, 4, 5`);
  return rows.map(({ schema, ...hook }) => ({ ...hook, table: qualified({ schema, table: hook.table }) }));
}
