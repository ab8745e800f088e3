import type { Catalog, TableLocation } from '../../catalog/live/types.ts';
import { sameKey } from '../../keys/compare.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Transaction } from '../../store/client.ts';
import { GIVE_WAY_MS } from '../../store/limits.ts';
import { afterCommit, type Limits, pipeline, readBy, setLimits, transaction } from '../../store/transaction.ts';
import { type ChunkWork, type Claim, type Counts, type KindContext, NewerAccount, type Slice } from '../kind.ts';
import { refuseNewReferences, whereRowsWent } from './refuse-new-references.ts';
import { type Deleted, eraseRows, findBound, walkReferences } from './rows/erase-rows.ts';
import { add, withSideEffects } from './side-effects.ts';
import { walkBehind } from './walk-behind.ts';

type Work = ChunkWork<TableLocation>;

/**
 * Deletes one slice of a chunk in one transaction: claim, delete a range, move the cursor, count. A process that dies
 * loses the slice that it was in. Null: the chunk must not run now. Throws `NewerAccount`, and what the database throws.
 */
export async function eraseSlice(ctx: KindContext, work: Work): Promise<Slice | null> {
  if (work.first) await walkBehind(ctx, work);
  return transaction(ctx.db, limitsOf(ctx, work.location), async (tx) => {
    const claim = await work.claim(tx);
    return claim && eraseRange(tx, ctx, work, claim);
  });
}

/** While the application's rows are locked, the slice ends before a session of it that waits looks for a deadlock. */
function whileLocked({ settings }: KindContext, location: TableLocation): Limits {
  const budget = settings.lockBudgetMs;
  // A parent takes several statements, which before PostgreSQL 17 nothing limits together.
  const share = location.children.length > 0 ? 0.25 : 0.7;
  return { statementMs: budget * share, lockMs: GIVE_WAY_MS, totalMs: budget };
}

/**
 * Limits of a slice from its begin: a location without children goes straight to its rows. Above children the
 * dead entries of their index are walked first, which may take long.
 */
const limitsOf = (ctx: KindContext, location: TableLocation): Limits =>
  location.children.length > 0
    ? { statementMs: 60_000, lockMs: ctx.settings.lockBudgetMs / 2 }
    : whileLocked(ctx, location);

async function eraseRange(tx: Transaction, ctx: KindContext, work: Work, claim: Claim): Promise<Slice> {
  const { catalog } = ctx;
  const { location } = work;
  // What is left of the plan fits: its own end is the bound. Not where more may have come than was planned.
  const fits = claim.left <= claim.limit && !claim.skipLocked;
  const { account } = work;
  const bound = fits
    ? null
    : await findBound(tx, location, account, { lower: claim.cursor, upper: claim.upper }, claim.limit);
  const upper = bound ?? claim.upper;
  const range = { lower: claim.cursor, upper, skipLocked: claim.skipLocked };
  const deleteRows = () => deleteBetween(tx, ctx, work, range);
  const { besides, ...deleted } = await withSideEffects(tx, catalog, deleteRows);
  const own = deleted.rows.get(location.name) ?? 0;
  const outside = new Map([...deleted.rows].filter(([name]) => name !== location.name));
  add(outside, besides);
  const counted = new Map([[location.name, own]]);
  add(counted, outside);
  afterCommit(tx, () => ctx.onDeleted?.(counted));
  await work.recordOutside(tx, outside);
  const finished = !deleted.more && sameKey(upper, claim.upper);
  const count = () => work.record(tx, { rows: own, ...(deleted.more ? {} : { cursor: upper }), finished });
  const [, isNewer] = await pipeline([
    () => refuseNewReferences(tx, catalog, foreseen(catalog, location, counted, claim)),
    () => work.isNewer(tx),
    count,
  ]);
  // The rows may be somebody else's, who had the key before they were deleted. The next step closes the erasure.
  if (isNewer) throw new NewerAccount();
  const total = own + [...outside.values()].reduce((a, b) => a + b, 0);
  return { finished, rows: total, full: bound !== null || total >= claim.limit };
}

type Range = { lower: KeyValue | null; upper: KeyValue; skipLocked: boolean };

async function deleteBetween(
  tx: Transaction,
  ctx: KindContext,
  { location, account }: Work,
  range: Range,
): Promise<Deleted> {
  const erase = () => eraseRows(tx, ctx.catalog, location, account, { ...range, limit: undefined });
  if (location.children.length > 0) {
    await walkReferences(tx, ctx.catalog, location, account, range);
    const limits = whileLocked(ctx, location);
    return (await pipeline([() => setLimits(tx, limits), () => readBy(tx, 'index'), erase]))[2];
  }
  // The planner's own choice is the table's key with a filter, which reads everybody's rows: twice the time.
  if (location.ordered) return (await pipeline([() => readBy(tx, 'pages'), erase]))[1];
  return erase();
}

/**
 * Which new foreign keys stop the slice. Asked after the deletion, whose lock on the table keeps a further key out until
 * the commit. Before the start only what is wrong with its own table does: the user's sessions are to be deleted.
 */
function foreseen(catalog: Catalog, location: TableLocation, counted: Counts, { early }: Claim) {
  const concerns = whereRowsWent(catalog, counted);
  return early ? { tables: [location], concerns } : { concerns };
}
