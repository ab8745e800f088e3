import { and, eq, ne, sql } from 'drizzle-orm';
import type { Location } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { sameKey } from '../../keys/compare.ts';
import { decodeKey } from '../../keys/encode.ts';
import { type Deleted, eraseRows, findBound, walkReferences } from '../../locations/table/erase-rows.ts';
import { causeOf, refuseNewReferences, whereRowsWent } from '../../locations/table/refuse-new-references.ts';
import { add, withSideEffects } from '../../locations/table/side-effects.ts';
import { readTask, walkBehind } from '../../locations/table/walk-behind.ts';
import { JOIN_PACE, paceOrOwn } from '../../pace/current-pace.ts';
import { type Allowance, allowanceOf } from '../../pace/pace.ts';
import type { SliceSize } from '../../pace/slice-size.ts';
import type { Pace } from '../../settings/pace-schedule.ts';
import { chunk, task } from '../../store/schema.ts';
import { isContended } from '../../store/sql-errors.ts';
import { afterCommit, type Limits, pipeline, readBy, setLimits, transaction } from '../../store/transaction.ts';
import { withCatalogOf } from '../model/catalog-of.ts';
import { type Context, GIVE_WAY_MS } from '../model/context.ts';
import { recordOutside } from '../model/ledger.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import { deletesSessions, isRunning } from '../model/states.ts';

export type ChunkHooks = {
  /** Asked between slices: false hands the chunk back where it is (shutdown, lost lock). */
  proceed: () => boolean;
  /** Waits so many milliseconds between slices, less when `proceed` turns false. Absent: slices follow at once. */
  pause?: (ms: number) => Promise<void>;
  onSlice: (slice: { location: string; rows: number; ms: number }) => void;
};

/** `gone`: finished by somebody else, held, or its erasure is not running. */
export type ChunkOutcome = 'finished' | 'handed back' | 'gone';

/** Slices in a row that may find rows locked before the job goes into backoff. */
const CONTENDED_SLICES = 5;

type Claim = {
  location: string;
  erasureId: string;
  accountKey: string;
  cursor: string[] | null;
  upper: string[];
  /** Rows of the plan that are still to delete. */
  left: number;
  /** Rows `at: request`, before the start. */
  early: boolean;
  /** The cluster's pace and step; null while nobody decides them. */
  pace: Pace | null;
  step: number | null;
};
/** `full`: as many rows as were asked for. */
type Slice = { finished: boolean; rows: number; full: boolean };

/** Rolls a slice back: somebody new has the account's key. */
class NewerAccount extends Error {}

/**
 * Erases one chunk slice by slice. Each slice is one transaction: claim, delete a range, move the
 * cursor, count. A process that dies loses the slice that it was in. Throws a LetheError without values.
 */
export async function eraseChunk(
  current: Context,
  chunkId: number,
  size: SliceSize,
  hooks: ChunkHooks,
): Promise<ChunkOutcome> {
  const task = await readTask(current, chunkId);
  if (!task) return 'gone';
  const ctx = await withCatalogOf(current, task);
  const { location } = task;
  if (task.behind) await walkBehind(ctx, task, task.behind);
  let contended = 0;
  while (hooks.proceed()) {
    const started = performance.now();
    let limit = 0;
    let allowed: Allowance | undefined;
    try {
      const limits = limitsOf(ctx, locationOf(ctx, location));
      const slice = await transaction(ctx.db, limits, async (tx) => {
        const claim = await claimChunk(tx, chunkId);
        if (!claim) return null;
        allowed = allowanceFor(ctx, claim);
        limit = size.for(location, allowed.rows);
        return eraseSlice(tx, ctx, chunkId, claim, limit, size.skipLocked(location));
      });
      if (!slice) return 'gone';
      const ms = performance.now() - started;
      size.record(location, slice.rows, ms, slice.full, allowed);
      hooks.onSlice({ location, rows: slice.rows, ms });
      contended = 0;
      // Also after the last one: else many small chunks would be no slower than one large.
      const rest = slice.rows > 0 ? (allowed?.pauseFor(ms) ?? 0) : 0;
      if (rest > 0) await hooks.pause?.(rest);
      if (slice.finished) return 'finished';
    } catch (error) {
      if (error instanceof NewerAccount) return 'gone';
      const clean = await causeOf(ctx.db, ctx.catalog, error);
      if (clean.retry === 'never') await failTask(ctx, chunkId, clean);
      if (!isContended(error)) throw clean;
      size.giveWay(location);
      contended += 1;
      ctx.log.debug({ chunkId, location, limit, code: clean.detail }, 'slice gave way to the application');
      if (contended >= CONTENDED_SLICES) throw clean;
    }
  }
  return 'handed back';
}

type Tx = Parameters<Parameters<typeof transaction>[2]>[0];

function locationOf(ctx: Context, name: string): Location {
  const location = ctx.catalog.locations.find((l) => l.name === name);
  if (!location) throw new LetheError('location_missing', `${name} is not in the catalog any more`);
  return location;
}

/** While the application's rows are locked: end before a session of it that waits looks for a deadlock. */
function holding({ settings }: Context, location: Location): Limits {
  const budget = settings.lockBudgetMs;
  // A parent takes several statements, which before PostgreSQL 17 nothing limits together.
  const share = location.children.length > 0 ? 0.25 : 0.7;
  return { statementMs: budget * share, lockMs: GIVE_WAY_MS, totalMs: budget };
}

/**
 * Limits of a slice from its begin: a location without children goes straight to its rows. Above children the
 * dead entries of their index are walked first, which may take long.
 */
const limitsOf = (ctx: Context, location: Location): Limits =>
  location.children.length > 0
    ? { statementMs: 60_000, lockMs: ctx.settings.lockBudgetMs / 2 }
    : holding(ctx, location);

/** Locks the chunk row for this slice; nothing when another worker has it or it must not run now. */
async function claimChunk(tx: Tx, chunkId: number): Promise<Claim | undefined> {
  const [claim] = await tx.execute<Claim>(sql`
    SELECT t.location, t.erasure_id AS "erasureId", e.account_key AS "accountKey",
           coalesce(c.cursor, c.lower) AS cursor, c.upper, (c.rows_planned - c.rows_deleted)::numeric AS left,
           e.state = 'scheduled' AS early, p.pace, p.step
      FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id JOIN lethe.erasure e ON e.id = t.erasure_id
           ${JOIN_PACE}
     WHERE c.id = ${chunkId} AND c.finished_at IS NULL AND t.state = 'running'
       AND (${isRunning('e.')} OR ${deletesSessions('e.')})
       FOR UPDATE OF c SKIP LOCKED`);
  return claim;
}

function allowanceFor(ctx: Context, { pace, step }: Claim): Allowance {
  const current = paceOrOwn(ctx, pace === null || step === null ? null : { pace, step });
  return allowanceOf(current.pace, current.step, ctx.settings);
}

async function eraseSlice(
  tx: Tx,
  ctx: Context,
  chunkId: number,
  claim: Claim,
  limit: number,
  skipLocked: boolean,
): Promise<Slice> {
  const location = locationOf(ctx, claim.location);
  const account = decodeKey(ctx.catalog.account.key, claim.accountKey);
  // What is left of the plan fits: its own end is the bound. Not where more may have come than was planned.
  const fits = claim.left <= limit && !skipLocked;
  const bound = fits ? null : await findBound(tx, location, account, claim.cursor, claim.upper, limit);
  const upper = bound ?? claim.upper;
  const rows = { lower: claim.cursor, upper, limit: undefined, skipLocked };
  const erase = () => eraseRows(tx, ctx.catalog, location, account, rows);
  const deleteRows = async (): Promise<Deleted> => {
    if (location.children.length > 0) {
      await walkReferences(tx, ctx.catalog, location, account, rows);
      const limits = holding(ctx, location);
      return (await pipeline([() => setLimits(tx, limits), () => readBy(tx, 'index'), erase]))[2];
    }
    // The planner's own choice is the table's key with a filter, which reads everybody's rows: twice the time.
    if (location.ordered) return (await pipeline([() => readBy(tx, 'pages'), erase]))[1];
    return erase();
  };
  const { besides, ...deleted } = await withSideEffects(tx, ctx.catalog, deleteRows);
  const own = deleted.rows.get(location.name) ?? 0;
  const outside = new Map([...deleted.rows].filter(([name]) => name !== location.name));
  add(outside, besides);
  const counted = new Map([[location.name, own]]);
  add(counted, outside);
  afterCommit(tx, () => ctx.onDeleted?.(counted));
  await recordOutside(tx, claim.erasureId, outside, -chunkId);
  const finished = !deleted.more && sameKey(upper, claim.upper);
  const count = async () => {
    await tx
      .update(chunk)
      .set({
        rowsDeleted: sql`rows_deleted + ${own}`,
        dispatches: 0,
        ...(deleted.more ? {} : { cursor: upper }),
        ...(finished ? { finishedAt: sql`now()` } : {}),
      })
      .where(eq(chunk.id, chunkId));
  };
  // After the deletion: its lock on the table keeps a further key out until the commit. Before it, one could still come.
  const concerns = whereRowsWent(ctx.catalog, counted);
  // Only the start stops for what is wrong elsewhere: the user is to be signed out.
  const foreseen = claim.early ? { tables: [location], concerns } : { concerns };
  const newer = () => hasNewerAccount(tx, ctx.catalog.account, { id: claim.erasureId, accountKey: claim.accountKey });
  const [, isNewer] = await pipeline([() => refuseNewReferences(tx, ctx.catalog, foreseen), newer, count]);
  // The rows may be somebody else's, who had the key before they were deleted. The next step closes the erasure.
  if (isNewer) throw new NewerAccount();
  const total = own + [...outside.values()].reduce((a, b) => a + b, 0);
  return { finished, rows: total, full: bound !== null || total >= limit };
}

/** Marks the chunk's task as failed for good, with what an operator needs to know. */
async function failTask(ctx: Context, chunkId: number, error: LetheError): Promise<void> {
  await transaction(ctx.db, { statementMs: 5_000, lockMs: 2_000 }, async (tx) => {
    const [failed] = await tx
      .update(task)
      .set({ state: 'failed', lastError: error.message, attempts: sql`attempts + 1` })
      .where(and(sql`id = (SELECT task_id FROM lethe.chunk WHERE id = ${chunkId})`, ne(task.state, 'done')))
      .returning({ erasureId: task.erasureId, location: task.location });
    if (failed)
      await appendEvent(tx, failed.erasureId, 'task.failed', {
        location: failed.location,
        code: error.code,
        ...error.extra,
      });
  });
}
