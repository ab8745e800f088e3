import { type Column, type SQL, sql } from 'drizzle-orm';
import type { Executor } from './client.ts';

/** A time as whole milliseconds since 1970. Its text would depend on the DateStyle and TimeZone of the database or the role. */
export const inMs = (time: SQL | Column): SQL<number> => sql`trunc(extract(epoch FROM ${time}) * 1000)`;

/** What `inMs` gave. Throws for a time that was read as text, whose day and month may stand the other way round. */
export function fromMs(ms: unknown): Date {
  if (typeof ms !== 'number') throw new Error('a time was not read as milliseconds');
  return new Date(ms);
}

/** The server's time: it decides what is due, so it must also say since when. */
export async function readClock(db: Executor): Promise<Date> {
  const [clock] = await db.execute<{ now: number }>(sql`SELECT ${inMs(sql`now()`)} AS now`);
  return fromMs(clock?.now);
}
