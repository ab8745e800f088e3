import { refuseIgnored } from '../../catalog/live/refuse-ignored.ts';
import { refuseUnusable } from '../../catalog/live/refuse-unusable.ts';
import type { TableLocation } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Transaction } from '../../store/client.ts';
import { pipeline } from '../../store/transaction.ts';
import { deleteAccountRow } from '../account/row.ts';
import type { FinishLimits, KindContext } from '../kind.ts';
import { Rollback } from '../kind.ts';
import { refuseNewReferences, whereRowsAre, whereRowsWent } from './refuse-new-references.ts';
import { eraseRows } from './rows/erase-rows.ts';
import { canEraseEverything, eraseEverything } from './rows/everything.ts';
import { isHooked } from './rows/hooks.ts';
import { findLeft, findOwn, findRemaining } from './rows/probe.ts';
import { add, settleConstraints, withSideEffects } from './side-effects.ts';

/**
 * Deletes what there is, proves it, and deletes the account, whose row the caller has locked. Then proves again that
 * nothing is left: a trigger may have kept the account's row, or have written others as it went. What it returns is
 * counted by location.
 */
export async function eraseRest(
  tx: Transaction,
  ctx: KindContext,
  account: KeyValue,
  limits: FinishLimits,
): Promise<Map<string, number>> {
  const erase = async () => ({ rows: await eraseAndProve(tx, ctx, account, limits) });
  const { rows, besides } = await withSideEffects(tx, ctx.catalog, erase);
  add(rows, besides);
  return rows;
}

async function eraseAndProve(
  tx: Transaction,
  ctx: KindContext,
  account: KeyValue,
  limits: FinishLimits,
): Promise<Map<string, number>> {
  const { catalog } = ctx;
  refuseUnusable(ctx);
  // Before, so that the error is about the key and not about a row behind it. And after, when the locks of what was
  // deleted keep a further key out until the commit.
  const spared = new Set<string>();
  let looked: Promise<void> | undefined;
  const concerns = async (table: string) => (await whereRowsAre(tx, catalog, account)(table)) || void spared.add(table);
  const refuse = () => {
    looked = refuseNewReferences(tx, catalog, { concerns });
    return looked;
  };
  // Both may be on their way at once.
  const refuseAgain = () =>
    refuseNewReferences(tx, catalog, {
      concerns: async (table) => {
        await looked;
        return !spared.has(table);
      },
    });
  // Of what seemed to be empty nothing may have gone.
  const settled = async (gone: Map<string, number>) => {
    if (spared.size > 0) await refuseNewReferences(tx, catalog, { concerns: whereRowsWent(catalog, gone) });
    return gone;
  };
  // What is left for the commit would fail there, where nobody can do without, and a request would fail each time.
  const settle = async () => {
    const [, left] = await pipeline([
      () => settleConstraints(tx, catalog),
      // Where nothing listens, the account's going can have left or written nothing; and what is new here is seen next.
      async () => (isHooked(catalog) ? findLeft(tx, catalog, account) : []),
      refuseAgain,
    ]);
    return left;
  };
  if (limits.untouched && canEraseEverything(catalog)) {
    const erase = () => eraseEverything(tx, catalog, account, settle);
    const { gone, remaining, last } = limits.again ? await erase() : (await pipeline([refuse, erase]))[1];
    if (remaining.length > 0) throw new Rollback('locked');
    await eraseWritten(tx, ctx, account, limits, { left: last, gone, settle });
    return settled(gone);
  }
  await refuse();
  const gone = await deleteLeftovers(tx, ctx, account, limits.rows);
  let remaining = await findRemaining(tx, catalog.tables, account);
  if (remaining.length > 0 && isHooked(catalog)) {
    // What triggers have written meanwhile goes once; what they write again each time never would.
    add(gone, await deleteLeftovers(tx, ctx, account, limits.rows));
    remaining = await findRemaining(tx, catalog.tables, account);
  }
  if (remaining.length > 0) await refuseLeft(tx, ctx, account, remaining);
  gone.set(catalog.account.table, await deleteAccountRow(tx, catalog, account));
  await eraseWritten(tx, ctx, account, limits, { left: await settle(), gone, settle });
  return settled(gone);
}

/**
 * `left`: names where rows are left. `gone`: what was deleted, to be added to. `settle`: has what waits for the commit
 * happen now, and says again where rows are left.
 */
type Written = { left: readonly string[]; gone: Map<string, number>; settle: () => Promise<string[]> };

/** Deletes what triggers have written while the account went (`left`), once: what they write again then is an error. */
async function eraseWritten(
  tx: Transaction,
  ctx: KindContext,
  account: KeyValue,
  limits: FinishLimits,
  { left, gone, settle }: Written,
): Promise<void> {
  if (left.length === 0) return;
  if (left.includes(ctx.catalog.account.table)) {
    await refuseIgnored(tx, ctx.catalog.account, 'DELETE', 1);
    // Nothing keeps it: somebody has made it anew.
    throw new Rollback('locked');
  }
  add(gone, await deleteLeftovers(tx, ctx, account, limits.rows));
  const again = await settle();
  if (again.length > 0) await refuseLeft(tx, ctx, account, again);
}

/** Rows that this transaction has written itself are there each time; others are locked, or have just come. */
async function refuseLeft(
  tx: Transaction,
  { catalog }: KindContext,
  account: KeyValue,
  left: readonly string[],
): Promise<never> {
  const written = isHooked(catalog) ? await findOwn(tx, catalog.tables, account, left) : [];
  if (written.length === 0) throw new Rollback('locked');
  throw new LetheError(
    'unexpected_changes',
    `deleting rows writes new ones to ${written.join(', ')} each time: let the triggers leave out what Lethe's role deletes`,
    { location: written[0] },
  );
}

async function deleteLeftovers(
  tx: Transaction,
  ctx: KindContext,
  account: KeyValue,
  limit: number,
): Promise<Map<string, number>> {
  const gone = new Map<string, number>();
  const pick = { lower: null, upper: null, limit, skipLocked: true };
  const erase = (location: TableLocation) => () => eraseRows(tx, ctx.catalog, location, account, pick);
  const above = ctx.catalog.tables.filter((l) => l.children.length > 0);
  const leaves = ctx.catalog.tables.filter((l) => l.children.length === 0);
  const all = await pipeline(leaves.map(erase));
  // Several statements each, and stage after stage: those below must be gone.
  for (const location of above) all.push(await erase(location)());
  for (const deleted of all) {
    if (deleted.more) throw new Rollback('more');
    add(gone, deleted.rows);
  }
  return gone;
}
