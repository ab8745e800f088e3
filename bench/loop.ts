import type { Sql } from 'postgres';

/** Deletes 1,000 posts at a time until none is left: the usual clean-up job. */
export async function deleteInLoop(sql: Sql, account: string): Promise<void> {
  for (;;) {
    const { count } = await sql`
      DELETE FROM posts WHERE id = ANY(ARRAY(SELECT id FROM posts WHERE account_id = ${account} LIMIT 1000))`;
    if (count === 0) break;
  }
  await sql`DELETE FROM feeds WHERE account_id = ${account}`;
  await sql`DELETE FROM accounts WHERE id = ${account}`;
}
