import { until } from './until.ts';
import type { World } from './world.ts';

/**
 * Runs `work` while each statement that deletes from a table stands still for a moment before it looks at a row. A busy
 * server does that. `begun` waits until one does. `work` lets its process see the trigger first
 * (`refuseNewReferences`): a deletion that meets one which it does not know is rolled back and begins again.
 */
export async function whileDeletionsLinger<T>(
  { sql }: Pick<World, 'sql'>,
  table: string,
  work: (begun: () => Promise<unknown>) => Promise<T>,
): Promise<T> {
  await sql.unsafe(`CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
    CREATE TRIGGER linger BEFORE DELETE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION linger()`);
  const begun = () =>
    until(`a deletion from ${table} has begun`, async () => {
      const rows = await sql`
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`;
      return rows.length > 0;
    });
  try {
    return await work(begun);
  } finally {
    await sql.unsafe(`DROP TRIGGER linger ON ${table}; DROP FUNCTION linger()`);
  }
}
