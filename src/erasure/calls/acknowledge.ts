import { inArray, sql } from 'drizzle-orm';
import type { Answer } from '../../locations/asked.ts';
import { retryAfterMs } from '../../partners/retry.ts';
import { call } from '../../store/schema.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import { type Settlement, settleCalls } from './settle.ts';

/** What a partner says of one call. */
export type Said = {
  readonly id: string;
  readonly status: 'erased' | 'not_found' | 'failed';
  readonly reason?: string | undefined;
};

/** `settled`: nothing more is asked under this id. `open`: it is asked again. `unknown`: nothing was asked under it. */
export type Heard = 'settled' | 'open' | 'unknown';

/**
 * Takes what partners say of calls, in one transaction for all of them. What is settled already stays so. An
 * acknowledgement that comes before the answer to its own request counts, and the answer changes nothing then. A
 * failure counts once a try: said twice, it does not put the next try off twice. Returns what became of each, in
 * their order, and the steps to put into the queues.
 */
export async function acknowledgeCalls(
  ctx: Context,
  said: readonly Said[],
): Promise<{ heard: Heard[]; dispatches: Dispatch[] }> {
  const known = await readCalls(ctx, said);
  const settlements = new Map<string, Settlement>();
  for (const one of said) {
    const found = known.get(one.id);
    if (!found?.unsettled) continue;
    const answer = answerOf(one, found);
    // Of two things that are said at once, that it is done is the one that stays true.
    if (answer && settlements.get(one.id)?.answer.kind !== 'done') settlements.set(one.id, { id: one.id, answer });
  }
  const { dispatches } =
    settlements.size > 0 ? await settleCalls(ctx, [...settlements.values()]) : { dispatches: [] as Dispatch[] };
  const heard = said.map(({ id }): Heard => {
    const found = known.get(id);
    if (!found) return 'unknown';
    return found.unsettled && settlements.get(id)?.answer.kind !== 'done' ? 'open' : 'settled';
  });
  return { heard, dispatches };
}

/** `tried`: it is asked now, or was accepted. */
type Known = { unsettled: boolean; tried: boolean; attempts: number };

/** Calls that were asked. One that is only gathered has not been told to anybody. */
async function readCalls(ctx: Context, said: readonly Said[]): Promise<Map<string, Known>> {
  const ids = [...new Set(said.map(({ id }) => id))];
  const rows = await ctx.db
    .select({
      id: call.id,
      state: call.state,
      attempts: call.attempts,
      leased: sql<boolean>`coalesce(${call.leasedUntil} > now(), false)`,
    })
    .from(call)
    .where(inArray(call.id, ids));
  return new Map(
    rows
      .filter(({ state }) => state !== 'gathered')
      .map(({ id, state, attempts, leased }) => [
        id,
        { unsettled: state === 'open' || state === 'accepted', tried: state === 'accepted' || leased, attempts },
      ]),
  );
}

function answerOf({ status, reason }: Said, { tried, attempts }: Known): Answer | null {
  if (status === 'erased') return { kind: 'done', words: 'it acknowledged: erased' };
  if (status === 'not_found') return { kind: 'done', words: 'it acknowledged: it never had it' };
  if (!tried) return null;
  const why = reasonInWords(reason ?? '');
  const words = `it acknowledged that it failed${why ? `: ${why}` : ', and gave no reason'}`;
  return { kind: 'later', words, down: false, afterMs: retryAfterMs(attempts + 1) };
}

const MOST_REASON = 250;

/** A partner's reason as support may read it: in one line, without addresses, and not for ever. */
const reasonInWords = (reason: string): string =>
  reason
    .replace(/\S+@\S+/g, '…')
    .replace(/\p{C}+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MOST_REASON);
