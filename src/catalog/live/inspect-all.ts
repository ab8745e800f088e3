import { sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { NUMBERS, typeName } from './inspect.ts';
import { qualified } from './names.ts';
import type { Relation } from './relation.ts';

/**
 * Every relation of the application that has rows of its own, with its columns. Partitions are part of their table, and
 * views have nothing. Lethe's own schemas and the system's are left out.
 */
export async function inspectRelations(db: Executor): Promise<Relation[]> {
  const rows = await db.execute<
    Omit<Relation, 'parents' | 'name'> & { schema: string; parents: [string, string][] }
  >(sql`
    WITH RECURSIVE base(oid, type) AS (
      SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
      UNION ALL SELECT d.oid, base.type FROM pg_type d JOIN base ON base.oid = d.typbasetype WHERE d.typtype = 'd'
    ), above(child, parent) AS (
      SELECT inhrelid, inhparent FROM pg_inherits
      UNION SELECT above.child, i.inhparent FROM above JOIN pg_inherits i ON i.inhrelid = above.parent)
    SELECT n.nspname AS schema, c.relname AS table, c.relkind AS kind,
           COALESCE((SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', ${typeName(sql`b.type`)},
                       'numbered', a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) ~* ${NUMBERS}, false)) ORDER BY a.attnum)
              FROM pg_attribute a JOIN base b ON b.oid = a.atttypid
              LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]') AS columns,
           COALESCE((SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
             WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])), '[]') AS key,
           COALESCE((SELECT jsonb_agg(jsonb_build_array(pn.nspname, p.relname))
              FROM above JOIN pg_class p ON p.oid = above.parent JOIN pg_namespace pn ON pn.oid = p.relnamespace
             WHERE above.child = c.oid), '[]') AS parents
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'lethe', 'lethe_migrations')
     ORDER BY n.nspname, c.relname`);
  return rows.map(({ schema, ...row }) => ({
    ...row,
    name: row.table,
    table: qualified({ schema, table: row.table }),
    parents: row.parents.map(([schema, table]) => qualified({ schema, table })),
  }));
}
