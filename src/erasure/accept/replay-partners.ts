import { and, asc, eq, inArray, notInArray, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { insideNames } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { call, erasure, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { withCatalogOrCurrent } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import { type Erasure, findErasure, findLive, transition } from '../model/states.ts';
import { type Choice, choosePartners, type PartnerTask, type Which } from './replay-choice.ts';

/** `dispatch`: the step that asks again; null where nothing is asked anew. */
export type Replayed = Choice & { dispatch: Dispatch | null };

/**
 * Has the partners of an erasure asked again, whose account is gone: any time, and any number of times. Who has
 * acknowledged gets a new pass, with a message of its own; what waits for its next try is due at once. No second mail says
 * that it is completed. `dryRun`: only says what would be done.
 *
 * Throws `not_found`, `on_hold`, `newer_account` where somebody new has the account's key, and `not_replayable` with what is
 * in the way.
 */
export async function replayPartners(
  ctx: Context,
  id: string,
  by: string,
  { dryRun = false, ...which }: Which & { dryRun?: boolean } = {},
): Promise<Replayed> {
  const seen = await findErasure(ctx.db, id);
  if (!seen) throw new LetheError('not_found', 'there is no such erasure');
  refuse(seen);
  const its = await withCatalogOrCurrent(ctx, seen);
  if (!its)
    throw notReplayable('the catalog that it was accepted with does not fit any more, and no other is about it');
  const { choice, next } = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    // Locks are taken in one order: erasure, calls, task.
    const [now] = await tx.select().from(erasure).where(eq(erasure.id, id)).for('no key update');
    if (!now) throw new LetheError('not_found', 'there is no such erasure');
    refuse(now);
    await refuseNewer(tx, its, now);
    const chosen = choosePartners(await readPartnerTasks(tx, its, id), its.catalog.locations, which);
    if (chosen.again.length + chosen.hurried.length === 0) throw notReplayable(wordsFor(chosen, which));
    if (dryRun) return { choice: chosen, next: null };
    await hurry(tx, id, chosen.hurried);
    const { again, hurried } = chosen;
    if (again.length > 0) await openPass(tx, now, again, by);
    await appendEvent(tx, id, 'erasure.replayed', { by, again, hurried });
    return { choice: chosen, next: again.length > 0 ? now : null };
  });
  return { ...choice, dispatch: next && (await dispatchWindow(ctx, next)) };
}

const notReplayable = (words: string) => new LetheError('not_replayable', words);

function refuse(of: Erasure): void {
  if (of.scrubbedAt || of.accountKey === null)
    throw notReplayable("the evidence was scrubbed: nobody knows the account's key any more");
  if (of.newerAccountAt) throw newer();
  if (of.heldAt && of.state !== 'completed')
    throw new LetheError('on_hold', 'the erasure is on hold; lift the hold first');
  if (of.state !== 'awaiting' && of.state !== 'completed')
    throw notReplayable(`the erasure is ${of.state}; only a stalled one is replayed, or one whose account is gone`);
}

const newer = () =>
  new LetheError('newer_account', "somebody new has the account's key: partners would delete what is theirs");

/** A live erasure of the same key is about whoever had it later. */
async function refuseNewer(tx: Transaction, ctx: Context, of: Erasure): Promise<void> {
  const live = await findLive(tx, of.accountKey as string);
  if ((live && live.id !== of.id) || (await hasNewerAccount(tx, ctx.catalog.account, of))) throw newer();
}

const readPartnerTasks = (tx: Transaction, ctx: Context, id: string): Promise<PartnerTask[]> =>
  tx
    .select({ id: task.id, location: task.location, state: task.state, finishedAt: task.finishedAt })
    .from(task)
    .where(and(eq(task.erasureId, id), notInArray(task.kind, ['account', ...insideNames(ctx.kinds)])))
    .orderBy(asc(task.stage), asc(task.location));

function wordsFor({ left }: Choice, { partner, since }: Which): string {
  if (left.length > 0) return `nobody can be asked again: ${left.map((l) => `${l.partner} (${l.why})`).join(', ')}`;
  const who = partner === undefined ? 'no partner' : `no partner ${partner}`;
  return `the erasure has ${who} that ${since ? 'has acknowledged since then, or is' : 'has acknowledged or is'} awaited`;
}

/** What waits for its next try, or for an acknowledgement, is due at once. What a worker is asking now is left to it. */
async function hurry(tx: Transaction, id: string, partners: readonly string[]): Promise<void> {
  if (partners.length === 0) return;
  await tx
    .update(call)
    .set({ nextAt: sql`now()` })
    .where(
      and(
        eq(call.erasureId, id),
        inArray(call.partner, [...partners]),
        inArray(call.state, ['open', 'accepted']),
        sql`leased_until IS NULL`,
      ),
    );
}

/** Their tasks are pending again, in a pass of their own. Should this process die before the step is out, reconcile finds it. */
async function openPass(tx: Transaction, of: Erasure, partners: readonly string[], by: string): Promise<void> {
  const change = { dispatchedAt: sql`now()` };
  // A hold that came with the end says nothing any more, and would keep the step from being taken.
  const released = { heldAt: null, heldBy: null, holdReason: null };
  if (of.state === 'completed')
    await transition(tx, of.id, 'completed', 'awaiting', { ...change, ...released }, { data: { by } });
  else await tx.update(erasure).set(change).where(eq(erasure.id, of.id));
  await tx
    .update(task)
    .set({ state: 'pending', pass: sql`pass + 1`, lastError: null, finishedAt: null })
    .where(and(eq(task.erasureId, of.id), inArray(task.location, [...partners]), eq(task.state, 'done')));
}
