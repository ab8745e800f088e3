import { and, eq, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { about, relation } from '../../catalog/live/statement.ts';
import type { Location } from '../../catalog/live/types.ts';
import { belongsTo } from '../../keys/sql.ts';
import type { KeyValue } from '../../keys/types.ts';
import { seal } from '../../partners/seal.ts';
import type { Transaction } from '../../store/client.ts';
import { call, chunk, partner } from '../../store/schema.ts';
import { ASKED_CHUNK, type AskedLocation, valuesOf } from '../asked.ts';
import type { Carrier, KindContext, PassOf, Planned } from '../kind.ts';

/**
 * Has a partner asked, in the transaction that claims its task: calls that were gathered while rows went are opened, others
 * are written. The workers make them from here on; each settled call is counted in one chunk.
 */
async function ask(
  tx: Transaction,
  ctx: KindContext,
  location: AskedLocation,
  account: KeyValue,
  { erasureId, taskId, pass }: PassOf,
): Promise<Planned> {
  await tx.insert(partner).values({ name: location.name }).onConflictDoNothing();
  const opened = await tx
    .update(call)
    .set({ state: 'open', nextAt: sql`now()`, pass })
    .where(and(eq(call.taskId, taskId), eq(call.state, 'gathered')))
    .returning({ items: call.items });
  // Where nothing was gathered of rows, there were none. What was gathered of the account's row is destroyed once it is said.
  // A row that has its key after that is somebody else's.
  if (opened.length === 0 && !location.each) {
    const id = uuidv7();
    const isRead = location.early && Object.keys(location.select).length > 0;
    const known = isRead ? await readSelected(tx, ctx, location, account) : null;
    const sealed = known && seal(ctx.settings.secrets, id, { values: known });
    const asked = { id, erasureId, taskId, partner: location.name, pass, state: 'open', items: 1, sealed };
    await tx.insert(call).values({ ...asked, nextAt: sql`now()` });
    opened.push({ items: 1 });
  }
  const rows = opened.reduce((sum, { items }) => sum + items, 0);
  if (opened.length === 0) return { rows, chunks: 0 };
  await tx.insert(chunk).values({ taskId, pass, number: ASKED_CHUNK, rowsPlanned: rows });
  return { rows, chunks: 1, asked: true };
}

/** The columns of the account's row that the call needs; null where there is no row any more. */
async function readSelected(
  tx: Transaction,
  { catalog }: KindContext,
  { select }: AskedLocation,
  account: KeyValue,
): Promise<Record<string, string | null> | null> {
  const table = catalog.account;
  const columns = Object.values(select).map((name) => sql`t.${sql.identifier(name)}::text AS ${sql.identifier(name)}`);
  const [row] = await about(table, () =>
    tx.execute<Record<string, string | null>>(sql`
      SELECT ${sql.join(columns, sql`, `)} FROM ${relation(table)} AS t WHERE ${belongsTo('t', table.key, account)}`),
  );
  return row ? valuesOf(select, row) : null;
}

/** A partner cannot be looked into: one call for the account, and what rows it is told of is counted when they go. */
const estimate = async (_ctx: KindContext, locations: readonly Location[]) =>
  locations.map((location) =>
    (location as AskedLocation).each ? { rows: null, chunks: null } : { rows: 1, chunks: 1 },
  );

/** How every kind outside has its partner asked to delete. That it holds is what its answers say: there is nothing to look at. */
export const askToDelete: Carrier<AskedLocation> = {
  estimate,
  plan: ask,
  step: async () => null,
  prove: async () => [],
};
