import { describeForeignKey, inspectForeignKeys } from '../../src/catalog/live/inspect.ts';
import type { AccountTable, Catalog, TableLocation } from '../../src/catalog/live/types.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import type { KeyColumns, KeyType } from '../../src/keys/types.ts';
import type { Sql } from './world.ts';

export const columns = (...named: [string, string][]): KeyColumns =>
  named.map(([name, type]) => ({ name, type: type as KeyType })) as unknown as KeyColumns;

const account: AccountTable = {
  schema: 'public',
  table: 'members',
  key: columns(['tenant', 'uuid'], ['id', 'bigint']),
  email: undefined,
  flag: 'erasure_requested_at',
  created: 'created_at',
  hold: undefined,
  threshold: 6,
};

const location = (table: string, more: Partial<TableLocation>): TableLocation => ({
  kind: 'table',
  schema: 'public',
  table,
  name: table,
  owner: 'forum',
  action: 'delete',
  atRequest: false,
  slaMs: undefined,
  account: columns(['tenant', 'uuid'], ['member', 'bigint']),
  key: columns(['id', 'bigint']),
  stage: 0,
  ordered: true,
  children: [],
  guarded: true,
  ...more,
});

/** Two columns of texts: no catalog may have that yet. */
const shelves = location('shelves', {
  key: columns(['room', 'text'], ['shelf', 'text']),
  stage: 1,
  children: [
    { constraint: 'books_shelf', location: 'books', columns: ['room', 'shelf'], referenced: ['room', 'shelf'] },
  ],
});
const locations = [
  location('devices', { atRequest: true }),
  location('notes', {}),
  location('books', { ordered: false }),
  shelves,
];

const TABLES = `
  CREATE TABLE members (tenant uuid, id bigint, erasure_requested_at timestamptz, created_at timestamptz DEFAULT now(),
    PRIMARY KEY (tenant, id));
  CREATE TABLE devices (tenant uuid, member bigint, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    FOREIGN KEY (tenant, member) REFERENCES members);
  CREATE INDEX ON devices (tenant, member, id);
  CREATE TABLE notes (tenant uuid, member bigint, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    FOREIGN KEY (tenant, member) REFERENCES members);
  CREATE INDEX ON notes (tenant, member, id);
  CREATE TABLE shelves (tenant uuid, member bigint, room text, shelf text, PRIMARY KEY (room, shelf),
    FOREIGN KEY (tenant, member) REFERENCES members);
  CREATE INDEX ON shelves (tenant, member, room, shelf);
  CREATE TABLE books (tenant uuid, member bigint, room text, shelf text, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    FOREIGN KEY (tenant, member) REFERENCES members,
    CONSTRAINT books_shelf FOREIGN KEY (room, shelf) REFERENCES shelves);
  CREATE INDEX ON books (tenant, member);
  CREATE INDEX ON books (room, shelf);`;

/**
 * Makes an application whose account table has a key of two columns, and the context that erases in it. The catalog's
 * language has no such key yet, so its catalog is made by hand.
 */
export async function withMembers(sql: Sql, ctx: Context): Promise<Context> {
  await sql.unsafe(TABLES);
  const foreignKeys = await inspectForeignKeys(ctx.db, [account, ...locations]);
  const catalog: Catalog = {
    ...ctx.catalog,
    account,
    locations,
    tables: locations,
    references: foreignKeys.map(describeForeignKey),
  };
  return { ...ctx, catalog, settings: { ...ctx.settings, chunkRows: 100 } };
}

/** A member with two devices, `notes` notes, two shelves and three books, on shelves that read the same with commas. */
export async function member(sql: Sql, tenant: string, id: string, notes: number): Promise<void> {
  await sql`INSERT INTO members (tenant, id) VALUES (${tenant}, ${id})`;
  await sql`INSERT INTO devices (tenant, member) SELECT ${tenant}, ${id} FROM generate_series(1, 2)`;
  await sql`INSERT INTO notes (tenant, member) SELECT ${tenant}, ${id} FROM generate_series(1, ${notes}::int)`;
  const room = `${tenant} ${id}`;
  await sql`INSERT INTO shelves VALUES (${tenant}, ${id}, ${room}, 'b,c'), (${tenant}, ${id}, ${`${room},b`}, 'c')`;
  await sql`INSERT INTO books (tenant, member, room, shelf) SELECT tenant, member, room, shelf FROM shelves
             WHERE tenant = ${tenant} AND member = ${id} UNION ALL SELECT ${tenant}::uuid, ${id}::bigint, NULL, NULL`;
}

/** How many rows each table holds of one member. */
export async function rowsOfMember(sql: Sql, tenant: string, id: string): Promise<Record<string, number>> {
  const [row] = await sql<{ rows: Record<string, number> }[]>`
    SELECT jsonb_build_object(
      'members', (SELECT count(*) FROM members WHERE tenant = ${tenant} AND id = ${id}),
      'devices', (SELECT count(*) FROM devices WHERE tenant = ${tenant} AND member = ${id}),
      'notes', (SELECT count(*) FROM notes WHERE tenant = ${tenant} AND member = ${id}),
      'shelves', (SELECT count(*) FROM shelves WHERE tenant = ${tenant} AND member = ${id}),
      'books', (SELECT count(*) FROM books WHERE tenant = ${tenant} AND member = ${id})) AS rows`;
  return row?.rows ?? {};
}
