import { type Column, type SQL, sql } from 'drizzle-orm';

/** A time as whole milliseconds since 1970. Its text would depend on the DateStyle and TimeZone of the database or the role. */
export const inMs = (time: SQL | Column): SQL<number> => sql`trunc(extract(epoch FROM ${time}) * 1000)`;

/** What `inMs` gave. Throws for a time that was read as text, whose day and month may stand the other way round. */
export function fromMs(ms: unknown): Date {
  if (typeof ms !== 'number') throw new Error('a time was not read as milliseconds');
  return new Date(ms);
}
