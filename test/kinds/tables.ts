import { READER_CATALOG, type Sql } from '../support/world.ts';
import type { Rows, Subject } from './subject.ts';

const KEYS = {
  bigint: 'bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  uuid: 'uuid DEFAULT gen_random_uuid() PRIMARY KEY',
} as const;
const OWNED = 'account_id bigint NOT NULL REFERENCES accounts';
const LOCATION = 'account: account_id, owner: library, sla: 48h';

/** A table of the application's, with or without another one that references it. */
export function tableSubject(key: keyof typeof KEYS, children: boolean): Subject {
  const tables = children ? ['things', 'parts'] : ['things'];
  return {
    kind: 'table',
    outcome: 'delete',
    location: 'things',
    schema: `
      CREATE TABLE things (id ${KEYS[key]}, ${OWNED}, body text NOT NULL DEFAULT 'a thing');
      CREATE INDEX ON things (account_id, id);
      ${
        children
          ? `CREATE TABLE parts (id ${KEYS[key]}, ${OWNED}, thing_id ${key} NOT NULL REFERENCES things);
             CREATE INDEX ON parts (account_id, id);
             CREATE INDEX ON parts (thing_id);`
          : ''
      }`,
    catalog: READER_CATALOG.replace('threshold: 1000', 'threshold: 500').concat(
      tables.map((table) => `  - { table: ${table}, ${LOCATION} }\n`).join(''),
    ),
    contextOf: (ctx) => ctx,
    add: async (sql, accounts, rows) => {
      await sql`INSERT INTO things (account_id) SELECT a FROM generate_series(1, ${rows}::int) n, unnest(${accounts as string[]}::bigint[]) a
                 ORDER BY n, a`;
      if (children)
        await sql`INSERT INTO parts (account_id, thing_id) SELECT account_id, id FROM things
                   WHERE account_id = ANY(${accounts as string[]}::bigint[]) ORDER BY id`;
    },
    count: async (sql, account): Promise<Rows> =>
      Object.fromEntries(await Promise.all(tables.map(async (t) => [t, await countIn(sql, t, account)] as const))),
    checksum: async (sql, account) => {
      const sums = ['accounts', ...tables].map(async (table) => {
        const column = sql(table === 'accounts' ? 'id' : 'account_id');
        const [row] = await sql`SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY id), '')) AS sum
          FROM ${sql(table)} t WHERE ${column} = ${account}`;
        return row?.sum;
      });
      return (await Promise.all(sums)).join(' ');
    },
    // A foreign key that the catalog does not know: nobody could say what becomes of the rows behind it.
    obstruct: async (sql) => {
      await sql.unsafe(`CREATE TABLE obstacle (thing ${key} REFERENCES things)`);
      return () => sql`DROP TABLE obstacle`;
    },
    without: { waits: 'a table answers in the slice itself: its rows and their count commit together' },
  };
}

async function countIn(sql: Sql, table: string, account: string): Promise<number> {
  const [row] = await sql`SELECT count(*)::int AS rows FROM ${sql(table)} WHERE account_id = ${account}`;
  return row?.rows;
}
