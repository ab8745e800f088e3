import type { Sql } from 'postgres';

/** The sample application: a feed reader whose accounts own sessions, feeds and posts. */
const SCHEMA = `
  CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    erasure_requested_at timestamptz
  );
  CREATE TABLE sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE feeds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    title text NOT NULL
  );
  CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    feed_id bigint NOT NULL REFERENCES feeds (id) ON DELETE CASCADE,
    title text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX ON sessions (account_id, id);
  CREATE INDEX ON feeds (account_id, id);
  CREATE INDEX ON posts (account_id, id);
  CREATE INDEX ON posts (feed_id);
`;

export type Population = { email: string; posts: number; feeds: number; sessions?: number };

/** Creates the tables of the reader in an empty database. */
export async function createReader(sql: Sql): Promise<void> {
  await sql.unsafe(SCHEMA);
}

/**
 * Adds accounts with their rows, the posts of all of them interleaved as in life: neighbours on a page
 * belong to different accounts. Returns the new ids in the given order.
 */
export async function populate(sql: Sql, accounts: readonly Population[]): Promise<string[]> {
  const wanted = sql`unnest(${accounts.map((a) => a.email)}::text[], ${accounts.map((a) => a.posts)}::int[],
    ${accounts.map((a) => a.feeds)}::int[], ${accounts.map((a) => a.sessions ?? 2)}::int[])`;
  return sql.begin(async (tx) => {
    await tx`CREATE TEMP TABLE wanted ON COMMIT DROP AS
      SELECT ord, email, posts, feeds, sessions, NULL::bigint AS id
        FROM ${wanted} WITH ORDINALITY AS w(email, posts, feeds, sessions, ord)`;
    await tx`INSERT INTO accounts (email) SELECT email FROM wanted ORDER BY ord`;
    await tx`UPDATE wanted w SET id = a.id FROM accounts a WHERE a.email = w.email`;
    await tx`INSERT INTO sessions (account_id) SELECT id FROM wanted, generate_series(1, sessions)`;
    await tx`CREATE TEMP TABLE made ON COMMIT DROP AS
      WITH f AS (INSERT INTO feeds (account_id, title)
        SELECT id, 'Feed ' || n FROM wanted, generate_series(1, feeds) n ORDER BY hashint4(n), id RETURNING id, account_id)
      SELECT account_id, array_agg(id ORDER BY id) AS ids FROM f GROUP BY account_id`;
    await tx`INSERT INTO posts (account_id, feed_id, title, body)
      SELECT w.id, m.ids[1 + n % array_length(m.ids, 1)], 'Post ' || n, repeat('Lorem ipsum dolor sit amet. ', 8)
        FROM wanted w JOIN made m ON m.account_id = w.id, generate_series(1, w.posts) n
       ORDER BY n::float8 / w.posts, w.id`;
    const rows = await tx<{ id: string }[]>`SELECT id::text FROM wanted ORDER BY ord`;
    return rows.map((row) => row.id);
  });
}
