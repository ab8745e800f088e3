import { sql } from 'drizzle-orm';
import type { Executor } from './client.ts';

/** The server's time: it decides what is due, so it must also say since when. */
export async function readClock(db: Executor): Promise<Date> {
  const [clock] = await db.execute<{ now: string }>(sql`SELECT now()::text AS now`);
  return new Date(clock?.now as string);
}
