import { isReplayCursor, type Many, type ReplayedMany, replayMany } from '../erasure/accept/replay-many.ts';
import { UsageError } from '../errors.ts';
import { manyWords } from './replay-words.ts';
import type { Session } from './shell/open.ts';
import { json, type Terminal } from './shell/terminal.ts';

type Options = { dryRun?: true; after?: string; json?: true };

/** A page's steps are waited for so long, so that the queues do not fill. Without a worker they wait in Postgres. */
const PATIENCE_MS = 10_000;

/** Between two lines about how far it is. */
const TELL_MS = 2_000;

/** Replays many erasures. Every few seconds it says on standard error how to go on from there, should it be broken off. */
export async function replayAll({ ctx, withQueues }: Session, many: Many, options: Options, terminal: Terminal) {
  const { after, dryRun = false } = options;
  if (after !== undefined && !isReplayCursor(after))
    throw new UsageError([`--after ${after}: expected what a replay that was broken off has said`]);
  let toldAt = Date.now();
  const told = (so: ReplayedMany) => {
    if (!so.nextCursor || Date.now() - toldAt < TELL_MS) return false;
    toldAt = Date.now();
    terminal.err.write(`lethe: note: if it is broken off, go on with --after ${so.nextCursor}\n`);
    return false;
  };
  const how = { cursor: after, enough: told, patienceMs: PATIENCE_MS };
  const so = dryRun
    ? await replayMany(ctx, many, 'cli', { dryRun, dispatch: async () => {} })
    : await withQueues((enqueue) => replayMany(ctx, many, 'cli', { ...how, dispatch: enqueue.dispatch }));
  const { nextCursor: _, ...counts } = so;
  terminal.out.write(
    options.json
      ? `${json({ ...counts, dryRun }, 2)}\n`
      : `${manyWords(so, { failed: many.failed === true, dryRun }).join('\n')}\n`,
  );
}
