import { Command } from 'commander';
import { replayErasure } from '../erasure/accept/replay.ts';
import type { Many } from '../erasure/accept/replay-many.ts';
import { replayPartners } from '../erasure/accept/replay-partners.ts';
import { notHeld } from '../erasure/accept/start.ts';
import { LetheError, UsageError } from '../errors.ts';
import { parseSince, SINCE_EXPECTED } from '../settings/since.ts';
import { replayAll } from './replay-all.ts';
import { choiceWords } from './replay-words.ts';
import { requireErasure } from './shell/accounts.ts';
import { type Session, withSession } from './shell/open.ts';
import { printErasure } from './shell/print-erasure.ts';
import { json, printable, type Terminal } from './shell/terminal.ts';

type Options = { failed?: true; partner?: string; since?: string; dryRun?: true; after?: string; json?: true };

export const replayCommand = (terminal: Terminal) =>
  new Command('replay')
    .description('run stalled work again, or ask partners again: any time, and any number of times')
    .argument('[erasure]', "the erasure's id")
    .option('--failed', 'every erasure that has stalled')
    .option('--partner <name>', 'ask this partner again, of one erasure or of all')
    .option('--since <time>', 'partners that have acknowledged then or later: 2026-11-22T04:00:00Z, or 2d ago')
    .option('--dry-run', 'only say how many it would take')
    .option('--after <cursor>', 'go on with a replay that was broken off')
    .option('--json', 'one JSON document on standard output')
    .addHelpText(
      'after',
      '\nA partner that was down needs no replay. One that lost what it had acknowledged needs one since then.\n' +
        'Example: lethe replay 019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10\n' +
        'Example: lethe replay --partner search --since 2d --dry-run',
    )
    .action((id: string | undefined, options: Options) => {
      const many = parseMany(id, options);
      return withSession(terminal, async (session) =>
        many ? replayAll(session, many, options, terminal) : replayOne(session, id as string, options, terminal),
      );
    });

/** Which erasures are meant; null: the one of the id. Throws a UsageError, one line, for what does not go together. */
function parseMany(id: string | undefined, { failed, partner, since, after }: Options): Many | null {
  const wrong = (words: string) => new UsageError([words]);
  const at = since === undefined ? undefined : parseSince(since);
  if (at === null) throw wrong(`--since ${since}: ${SINCE_EXPECTED}`);
  if (id !== undefined) {
    if (failed || since !== undefined || after !== undefined)
      throw wrong('expected either one erasure (with --partner, if need be), or --failed, --partner and --since');
    return null;
  }
  if (failed && (partner !== undefined || since !== undefined))
    throw wrong('--failed goes alone: it is about erasures that have stalled, and not about partners');
  if (!failed && partner === undefined && since === undefined)
    throw wrong('expected an erasure, --failed, --partner or --since: lethe replay --help shows them');
  return failed ? { failed } : { partner, since: at };
}

async function replayOne({ ctx, withQueues }: Session, text: string, options: Options, terminal: Terminal) {
  const seen = await requireErasure(ctx, text);
  const stalled = seen.state === 'stalled' || seen.state === 'running';
  if (seen.heldAt && seen.state !== 'completed')
    throw new LetheError('on_hold', `release it first: lethe release ${seen.id}`);
  if (stalled && options.partner !== undefined)
    throw new LetheError('not_replayable', `the erasure is ${seen.state}: replay it without --partner`);
  if (stalled && options.dryRun) {
    terminal.out.write(options.json ? `${json({ id: seen.id, state: seen.state })}\n` : whatStalled(seen.state));
    return;
  }
  if (stalled) {
    await withQueues(async (enqueue) => {
      const next = await replayErasure(ctx, seen.id, 'cli', notHeld);
      if (next) await enqueue.dispatch(next);
    });
    await printErasure(ctx, seen.id, terminal, options);
    return;
  }
  const which = { partner: options.partner, dryRun: options.dryRun === true };
  const replayed = options.dryRun
    ? await replayPartners(ctx, seen.id, 'cli', which)
    : await withQueues(async (enqueue) => {
        const done = await replayPartners(ctx, seen.id, 'cli', which);
        if (done.dispatch) await enqueue.dispatch(done.dispatch);
        return done;
      });
  const { dispatch: _, ...choice } = replayed;
  if (options.json && options.dryRun) terminal.out.write(`${json({ id: seen.id, ...choice }, 2)}\n`);
  if (!options.json)
    for (const line of choiceWords(choice, options.dryRun === true)) terminal.out.write(`${printable(line)}\n`);
  if (!options.dryRun) await printErasure(ctx, seen.id, terminal, options);
}

const whatStalled = (state: string) =>
  state === 'stalled' ? 'Would run its unfinished work again.\n' : 'Would change nothing: it runs already.\n';
