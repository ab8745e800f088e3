import type { SQL } from 'drizzle-orm';
import type { Executor } from './client.ts';

/** Runs a statement that changes rows and returns how many. */
export async function affected(db: Executor, statement: SQL): Promise<number> {
  return (await db.execute(statement)).count;
}
