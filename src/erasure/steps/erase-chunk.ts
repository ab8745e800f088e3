import { and, eq, ne, sql } from 'drizzle-orm';
import { locationOf } from '../../catalog/live/location-of.ts';
import type { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { decodeKey } from '../../keys/encode.ts';
import { type ChunkWork, NewerAccount } from '../../locations/kind.ts';
import { carrierOf, kindOf } from '../../locations/kinds/ask.ts';
import type { Allowance } from '../../pace/pace.ts';
import type { SliceSize } from '../../pace/slice-size.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { chunk, task } from '../../store/schema.ts';
import { isContended } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import { recordGathered } from '../calls/gather.ts';
import { withCatalogOf } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { recordOutside } from '../model/ledger.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import { allowanceFor, claimChunk } from './claim-chunk.ts';

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

/** What the current slice was allowed. */
type Allowed = { limit: number; allowance: Allowance | undefined };

/**
 * Erases one chunk slice by slice, as the kind of its location does it. A process that dies loses the slice that it was
 * in. Throws a LetheError without values.
 */
export async function eraseChunk(
  current: Context,
  chunkId: number,
  size: SliceSize,
  hooks: ChunkHooks,
): Promise<ChunkOutcome> {
  const of = await readChunk(current, chunkId);
  if (!of) return 'gone';
  const ctx = await withCatalogOf(current, of);
  const location = locationOf(ctx.catalog.locations, of.location);
  const carrier = carrierOf(ctx.kinds, location);
  let contended = 0;
  for (let first = true; hooks.proceed(); first = false) {
    const started = performance.now();
    const allowed: Allowed = { limit: 0, allowance: undefined };
    try {
      const work = { ...workOn(ctx, chunkId, of, size, allowed), location, first };
      const slice = await carrier.step(ctx, work);
      if (!slice) return 'gone';
      const ms = performance.now() - started;
      size.record(location.name, slice.rows, ms, slice.full, allowed.allowance);
      hooks.onSlice({ location: location.name, rows: slice.rows, ms });
      contended = 0;
      // Also after the last one: else many small chunks would be no slower than one large.
      const rest = slice.rows > 0 ? (allowed.allowance?.pauseFor(ms) ?? 0) : 0;
      if (rest > 0) await hooks.pause?.(rest);
      if (slice.finished) return 'finished';
    } catch (error) {
      if (error instanceof NewerAccount) return 'gone';
      const clean = await kindOf(ctx.kinds, location).causeOf(ctx, error);
      if (clean.retry === 'never') await failTask(ctx, chunkId, clean);
      if (!isContended(error)) throw clean;
      size.giveWay(location.name);
      contended += 1;
      ctx.log.debug(
        { chunkId, location: location.name, limit: allowed.limit, code: clean.detail },
        'slice gave way to the application',
      );
      if (contended >= CONTENDED_SLICES) throw clean;
    }
  }
  return 'handed back';
}

type ChunkOf = { location: string; erasureId: string; accountKey: string; catalogDigest: string };

/** What a chunk is of; undefined when there is no such chunk. */
async function readChunk({ db }: Context, chunkId: number): Promise<ChunkOf | undefined> {
  const [row] = await db.execute<ChunkOf>(sql`
    SELECT t.location, t.erasure_id AS "erasureId", e.account_key AS "accountKey", e.catalog_digest AS "catalogDigest"
      FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id JOIN lethe.erasure e ON e.id = t.erasure_id
     WHERE c.id = ${chunkId}`);
  return row;
}

/** What the kind may ask of the ledger while it works on the chunk; `allowed` says afterwards what the slice was allowed. */
function workOn(
  ctx: Context,
  chunkId: number,
  of: ChunkOf,
  size: SliceSize,
  allowed: Allowed,
): Omit<ChunkWork, 'location' | 'first'> {
  return {
    chunkId,
    account: decodeKey(ctx.catalog.account.key, of.accountKey),
    claim: async (tx) => {
      const claim = await claimChunk(tx, chunkId);
      if (!claim) return null;
      allowed.allowance = allowanceFor(ctx, claim);
      allowed.limit = size.for(of.location, allowed.allowance.rows);
      return { ...claim, limit: allowed.limit, skipLocked: size.skipLocked(of.location) };
    },
    recordOutside: (tx, rows) => recordOutside(tx, of.erasureId, rows, -chunkId),
    record: async (tx, { rows, cursor, finished, awaiting }) => {
      await tx
        .update(chunk)
        .set({
          rowsDeleted: sql`rows_deleted + ${rows}`,
          dispatches: 0,
          ...(cursor ? { cursor: [...cursor] } : {}),
          ...(finished ? { finishedAt: sql`now()` } : {}),
        })
        .where(eq(chunk.id, chunkId));
      await recordGathered(tx, ctx, of.erasureId);
      if (awaiting)
        await tx
          .update(task)
          .set({ state: 'awaiting' })
          .where(and(sql`id = (SELECT task_id FROM lethe.chunk WHERE id = ${chunkId})`, eq(task.state, 'running')));
    },
    isNewer: (tx) => hasNewerAccount(tx, ctx.catalog.account, { id: of.erasureId, accountKey: of.accountKey }),
  };
}

/** Marks the chunk's task as failed for good, with what an operator needs to know. */
async function failTask(ctx: Context, chunkId: number, error: LetheError): Promise<void> {
  await transaction(ctx.db, OWN_TABLES, async (tx) => {
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
