import { sql } from 'drizzle-orm';
import type { KeyValue, Location } from '../catalog/types.ts';
import type { Transaction } from '../db/client.ts';
import { pipeline } from '../db/transaction.ts';
import { deleteAccountRow } from '../erasers/account.ts';
import { canEraseEverything, eraseEverything } from '../erasers/everything.ts';
import { findRemaining } from '../erasers/probe.ts';
import { eraseRows } from '../erasers/table.ts';
import type { Context } from './context.ts';
import { Rollback } from './finish-outcome.ts';
import { refuseNewReferences, refuseUnusable, whereRowsAre, whereRowsWent } from './refuse-new-references.ts';

export type FinishLimits = {
  /** Rows per location that this transaction may still delete. */
  rows: number;
  /** From the account's lock to commit. */
  ms: number;
  /**
   * Nothing has been deleted yet: count first, and delete each location's rows with one statement, which waits
   * for a locked row for a moment. Otherwise the rows are picked, and locked ones left.
   */
  untouched?: boolean;
  /** Whatever is in the way is met once more by another transaction, which says what it is. */
  again?: boolean;
};

/** Deletes what there is, proves it, and deletes the account, whose row the caller holds. What it returns is counted by location. */
export async function eraseRest(
  tx: Transaction,
  ctx: Context,
  account: KeyValue,
  limits: FinishLimits,
): Promise<Map<string, number>> {
  refuseUnusable(ctx);
  // Before, so that the error is about the key and not about a row behind it; and after, when the locks of what was
  // deleted keep a further key out until the commit.
  const spared = new Set<string>();
  let looked: Promise<void> | undefined;
  const concerns = async (table: string) =>
    (await whereRowsAre(tx, ctx.catalog, account)(table)) || void spared.add(table);
  const refuse = () => {
    looked = refuseNewReferences(tx, ctx.catalog, { concerns });
    return looked;
  };
  // Both may be on their way at once.
  const refuseAgain = () =>
    refuseNewReferences(tx, ctx.catalog, {
      concerns: async (table) => {
        await looked;
        return !spared.has(table);
      },
    });
  // Of what seemed to be empty nothing may have gone.
  const settled = async (gone: Map<string, number>) => {
    if (spared.size > 0) await refuseNewReferences(tx, ctx.catalog, { concerns: whereRowsWent(ctx.catalog, gone) });
    return gone;
  };
  // What is left for the commit would fail there, where nobody can do without, and a request would fail each time.
  const settle = async () => {
    await pipeline([() => tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`), refuseAgain]);
  };
  if (limits.untouched && canEraseEverything(ctx.catalog)) {
    const erase = () => eraseEverything(tx, ctx.catalog, account, settle);
    const { gone, remaining } = limits.again ? await erase() : (await pipeline([refuse, erase]))[1];
    if (remaining.length > 0) throw new Rollback('locked');
    return settled(gone);
  }
  await refuse();
  const gone = await deleteLeftovers(tx, ctx, account, limits.rows);
  if ((await findRemaining(tx, ctx.catalog.locations, account)).length > 0) throw new Rollback('locked');
  gone.set(ctx.catalog.account.table, await deleteAccountRow(tx, ctx.catalog.account, account));
  await settle();
  return settled(gone);
}

async function deleteLeftovers(
  tx: Transaction,
  ctx: Context,
  account: KeyValue,
  limit: number,
): Promise<Map<string, number>> {
  const gone = new Map<string, number>();
  const pick = { lower: null, upper: null, limit, skipLocked: true };
  const erase = (location: Location) => () => eraseRows(tx, ctx.catalog, location, account, pick);
  const above = ctx.catalog.locations.filter((l) => l.children.length > 0);
  const leaves = ctx.catalog.locations.filter((l) => l.children.length === 0);
  const all = await pipeline(leaves.map(erase));
  // Several statements each, and stage after stage: those below must be gone.
  for (const location of above) all.push(await erase(location)());
  for (const deleted of all) {
    if (deleted.more) throw new Rollback('more');
    for (const [name, count] of deleted.rows) gone.set(name, (gone.get(name) ?? 0) + count);
  }
  return gone;
}
