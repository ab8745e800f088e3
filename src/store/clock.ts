import { sql } from 'drizzle-orm';
import type { Executor } from './client.ts';
import { fromMs, inMs } from './milliseconds.ts';

/** The server's time: it decides what is due, so it must also say since when. */
export async function readClock(db: Executor): Promise<Date> {
  const [clock] = await db.execute<{ now: number }>(sql`SELECT ${inMs(sql`now()`)} AS now`);
  return fromMs(clock?.now);
}
