import { type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { rememberNames } from '../../store/known-names.ts';
import { identifiers, qualified } from './names.ts';
import type { TableName } from './types.ts';

/** A foreign key as the database has it. Tables are `qualified`. */
export type ForeignKey = {
  constraint: string;
  child: string;
  parent: string;
  columns: string[];
  referenced: string[];
  onDelete: 'NO ACTION' | 'RESTRICT' | 'CASCADE' | 'SET NULL' | 'SET DEFAULT';
  /** False for a key that the server does not check (PostgreSQL 18: NOT ENFORCED). */
  enforced: boolean;
};

/** A foreign key in words; two keys with the same words do the same. */
export const describeForeignKey = (fk: ForeignKey): string =>
  `${fk.child} (${identifiers(fk.columns)}) references ${fk.parent} (${identifiers(fk.referenced)}) ON DELETE ${fk.onDelete}`;

/**
 * A column of an index. `asc` is the order of `ORDER BY`, `desc` its reverse; `other` has nulls at the other end.
 * `foreign` has another collation or other operators than the column, and no plain comparison uses it.
 */
export type IndexColumn = { name: string; order: 'asc' | 'desc' | 'other' | 'foreign' };

export type ColumnFacts = {
  /** The type, or the one that its domain is over. */
  type: string;
  domain: string | null;
  notNull: boolean;
  /** The table gives it values of its own: an identity, a sequence, a new uuid. */
  numbered: boolean;
};

/** What the live schema says about one listed table. */
export type TableFacts = {
  table: string;
  schema: string;
  /** The role that Lethe connects as, for a statement. */
  role: string;
  kind: string;
  columns: Record<string, ColumnFacts>;
  primaryKey: string[];
  /** Key columns of each valid, complete index. */
  indexes: { columns: IndexColumn[]; unique: boolean }[];
  /** The role may look up names in the table's schema; without that no other grant helps. */
  schemaUsage: boolean;
  rowSecurity: boolean;
  missingGrants: string[];
};

/** Defaults that give each row a value of its own. */
export const NUMBERS = '(nextval|\\w*uuid\\w*|\\w*ulid\\w*)\\(';
const NEEDED = ['SELECT', 'UPDATE', 'DELETE'];

/** Reads the facts about `tables` in one query; a table that does not exist is absent from the map. */
export async function inspectTables(db: Executor, tables: readonly TableName[]): Promise<Map<string, TableFacts>> {
  const rows = await db.execute<TableFacts & { constraints: string[] }>(sql`
    WITH RECURSIVE base(oid, type) AS (
      SELECT oid, oid FROM pg_type WHERE typtype <> 'd'
      UNION ALL SELECT d.oid, base.type FROM pg_type d JOIN base ON base.oid = d.typbasetype WHERE d.typtype = 'd'
    ), wanted AS (
      SELECT n.nspname, c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE (n.nspname, c.relname) IN (${named(tables)}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
    SELECT w.nspname AS schema, w.relname AS table, w.relkind AS kind, quote_ident(current_user) AS role,
      (SELECT jsonb_object_agg(a.attname, jsonb_build_object(
                'type', CASE WHEN b.type = a.atttypid THEN ${typeName(sql`a.atttypid`, sql`a.atttypmod`)} ELSE ${typeName(sql`b.type`)} END,
                'domain', CASE WHEN b.type <> a.atttypid THEN ${typeName(sql`a.atttypid`)} END, 'notNull', a.attnotnull,
                'numbered', a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) ~* ${NUMBERS}, false)))
         FROM pg_attribute a JOIN base b ON b.oid = a.atttypid
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = ''
        WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
      COALESCE((SELECT jsonb_agg(a.attname ORDER BY k.ord)
         FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord), pg_attribute a
        WHERE i.indrelid = w.oid AND i.indisprimary AND k.ord <= i.indnkeyatts AND a.attrelid = w.oid AND a.attnum = k.attnum), '[]') AS "primaryKey",
      COALESCE((SELECT jsonb_agg(jsonb_build_object('columns', cols, 'unique', indisunique)) FROM (
         SELECT (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'order',
                          CASE WHEN NOT o.opcdefault OR i.indcollation[k.ord - 1] <> a.attcollation THEN 'foreign'
                               WHEN i.indoption[k.ord - 1] = 0 THEN 'asc' WHEN i.indoption[k.ord - 1] = 3 THEN 'desc'
                               ELSE 'other' END) ORDER BY k.ord)
                   FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
                   JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
                   JOIN pg_opclass o ON o.oid = i.indclass[k.ord - 1]
                  WHERE k.ord <= i.indnkeyatts) AS cols, i.indisunique
           FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
          WHERE i.indrelid = w.oid AND i.indisvalid AND i.indpred IS NULL AND am.amname = 'btree'
            AND NOT (0 = ANY(i.indkey::int2[]))) x), '[]') AS indexes,
      row_security_active(w.oid) AS "rowSecurity",
      has_schema_privilege(w.relnamespace, 'USAGE') AS "schemaUsage",
      COALESCE((SELECT jsonb_agg(p) FROM unnest(${textArray(NEEDED)}) p
        WHERE NOT has_table_privilege(w.oid, p)), '[]') AS "missingGrants",
      COALESCE((SELECT jsonb_agg(name) FROM (
         SELECT conname AS name FROM pg_constraint WHERE conrelid = w.oid
          UNION SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = w.oid) names), '[]') AS constraints
    FROM wanted w`);
  const raw = rows.map((row) => `${row.schema}.${row.table}`);
  rememberNames({ tables: raw, constraints: rows.flatMap((row) => row.constraints) });
  return new Map(
    rows.map((row) => {
      // The catalog's file looks columns up by name: it must not find what every object has.
      const columns = Object.assign(Object.create(null), row.columns) as TableFacts['columns'];
      return [qualified(row), { ...row, columns, table: qualified(row) }];
    }),
  );
}

/** Schemas and names as rows. Two arrays: no character between them could be told from one of a name. */
export const named = (tables: readonly TableName[]) =>
  sql`SELECT * FROM unnest(${textArray(tables.map((t) => t.schema))}, ${textArray(tables.map((t) => t.table))})`;

/** Every foreign key that points at one of `tables` or a partition of it, from anywhere in the database; all of them without `tables`. */
export async function inspectForeignKeys(db: Executor, tables?: readonly TableName[]): Promise<ForeignKey[]> {
  const rows = await db.execute<
    Omit<ForeignKey, 'child' | 'parent'> & Record<'child' | 'parent', [string, string]>
  >(sql`
    WITH RECURSIVE listed(oid) AS (
      SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE ${tables === undefined} OR (n.nspname, c.relname) IN (${named(tables ?? [])})
      UNION SELECT i.inhrelid FROM pg_inherits i JOIN listed ON i.inhparent = listed.oid)
    SELECT con.conname AS constraint,
           jsonb_build_array(cn.nspname, c.relname) AS child, jsonb_build_array(pn.nspname, p.relname) AS parent,
           (SELECT jsonb_agg(a.attname ORDER BY k.ord) FROM unnest(con.conkey) WITH ORDINALITY k(attnum, ord)
              JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum) AS columns,
           (SELECT jsonb_agg(a.attname ORDER BY k.ord) FROM unnest(con.confkey) WITH ORDINALITY k(attnum, ord)
              JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum) AS referenced,
           CASE con.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
                                WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END AS "onDelete",
           coalesce((to_jsonb(con) ->> 'conenforced')::boolean, true) AS enforced
      FROM pg_constraint con
      JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
      JOIN pg_class p ON p.oid = con.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE con.contype = 'f' AND con.conparentid = 0 AND con.confrelid IN (SELECT oid FROM listed)
     ORDER BY cn.nspname, c.relname, con.conname`);
  const raw = rows.flatMap((row) => [row.child.join('.'), row.parent.join('.')]);
  rememberNames({ tables: raw, constraints: rows.map((row) => row.constraint) });
  return rows.map((row) => ({ ...row, child: pair(row.child), parent: pair(row.parent) }));
}

const pair = ([schema, table]: readonly [string, string]) => qualified({ schema, table });

/** A type in words that no setting changes: format_type() quotes names, and adds a schema that is not in the search path. */
export const typeName = (oid: SQL, modifier = sql`NULL`): SQL =>
  sql`regexp_replace(replace(format_type(${oid}, ${modifier}), '"', ''), '^[^ (]*[.]', '')`;

/** A text array parameter: the query builder would spread a plain array into a row. */
export function textArray(values: readonly string[]) {
  return sql`${sql.param([...values])}::text[]`;
}
