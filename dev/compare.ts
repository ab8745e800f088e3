import postgres from 'postgres';
import type { Stack } from './stack.ts';

/** A copy of the database as it is now, for a comparison on the same data. */
export async function copyDatabase(stack: Stack): Promise<string> {
  const admin = postgres(stack.postgres.url(), { max: 1, onnotice: () => {} });
  try {
    await admin`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'reader'`;
    await admin.unsafe('CREATE DATABASE reader_copy TEMPLATE reader');
  } finally {
    await admin.end();
  }
  return stack.postgres.url('reader_copy');
}

/** Seconds and rows of one `DELETE FROM posts WHERE account_id = …`, committed. */
export async function timeSingleDelete(url: string, account: string): Promise<{ seconds: number; rows: number }> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`CHECKPOINT`;
    const started = performance.now();
    const { count } = await sql`DELETE FROM posts WHERE account_id = ${account}`;
    return { seconds: (performance.now() - started) / 1000, rows: count };
  } finally {
    await sql.end();
  }
}
