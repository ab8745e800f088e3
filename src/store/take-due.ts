import { and, inArray, lte, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { Database } from './client.ts';
import type { erasure, notification, partnerRequest } from './schema.ts';

/** Rows that must be delivered when a time of theirs has come: which table, which time, and which of its rows. */
export type DueRows = { table: typeof erasure | typeof notification | typeof partnerRequest; at: PgColumn; where: SQL };

/** Rows that one call takes at most. */
export const MOST_TAKEN = 200;
/** How far a taken row is moved on: a process that ends before it delivers loses no more time. */
const TAKEN = sql`now() + interval '1 minute'`;

/**
 * Takes the rows whose time has come and hands their ids to `deliver`, one after the other. Returns how many it took.
 *
 * Taking moves the time on by a minute, under `SKIP LOCKED`: of several processes one gets each row. Where `deliver`
 * says false, neither that row nor those after it have been delivered, and all of them are due again at once.
 */
export async function takeDue(
  db: Database,
  { table, at, where }: DueRows,
  deliver: (id: string) => Promise<boolean>,
): Promise<number> {
  const time = sql.identifier(at.name);
  const taken = await db.execute<{ id: string }>(sql`
    UPDATE ${table} SET ${time} = ${TAKEN}
     WHERE id IN (SELECT id FROM ${table} WHERE ${where} AND ${time} <= now()
                   ORDER BY ${time} LIMIT ${MOST_TAKEN} FOR UPDATE SKIP LOCKED)
    RETURNING id`);
  const ids = taken.map(({ id }) => id);
  try {
    // Without Redis each would take its time to fail.
    while (ids[0] && (await deliver(ids[0]))) ids.shift();
  } finally {
    // A row that an attempt has put off for longer meanwhile stays so.
    if (ids.length > 0)
      await db.execute(sql`
        UPDATE ${table} SET ${time} = now() WHERE ${and(inArray(table.id, ids), where, lte(at, TAKEN))}`);
  }
  return taken.length - ids.length;
}
