import { sql } from 'drizzle-orm';
import type { Database } from './client.ts';

/**
 * Takes or extends the duty that one process at a time does for all. True: `holder` has it for `ms`
 * milliseconds of the database's time. One statement, so that of two that ask at once one is refused.
 */
export async function takeLease(db: Database, name: string, holder: string, ms: number): Promise<boolean> {
  const until = sql`now() + ${ms} * interval '1 millisecond'`;
  const rows = await db.execute(sql`
    INSERT INTO lethe.duty (name, holder, held_until) VALUES (${name}, ${holder}, ${until})
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
     WHERE lethe.duty.holder = excluded.holder OR coalesce(lethe.duty.held_until, '-infinity') < now()
    RETURNING holder`);
  return rows.length > 0;
}

/** Gives a duty back at once, so that the next process need not wait for its end. */
export async function releaseLease(db: Database, name: string, holder: string): Promise<void> {
  await db.execute(sql`UPDATE lethe.duty SET held_until = now() WHERE name = ${name} AND holder = ${holder}`);
}
