import { setTimeout as sleep } from 'node:timers/promises';
import { MultiBar, type SingleBar } from 'cli-progress';
import type { Context } from '../erasure/model/context.ts';
import type { Erasure } from '../erasure/model/states.ts';
import type { Progress } from '../erasure/progress/status.ts';
import { LetheError } from '../errors.ts';
import { erasureResource } from '../http/bodies/representation.ts';
import { sanitize } from '../store/sql-errors.ts';
import { heldWords, progressWords, readErasure } from './shell/erasure-words.ts';
import { number, time, width } from './shell/format.ts';
import { json, printable, type Terminal } from './shell/terminal.ts';

type View = { show: (erasure: Erasure, progress: Progress) => void; end: () => void };

const PERIOD_MS = 500;
/** A database that restarts comes back within this time. */
const PATIENCE_MS = 60_000;
const INTERRUPTED = 130;

/**
 * Follows an erasure until it is final or stalled: bars on a terminal, else a line for each change.
 * Returns the exit code: 0 completed, 1 stalled or cancelled, 130 after Ctrl-C, which ends only the watching.
 */
export async function watch(ctx: Context, id: string, terminal: Terminal, asJson: boolean): Promise<number> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const view = asJson ? jsonLines(terminal) : terminal.out.isTTY ? bars(terminal) : lines(terminal);
  try {
    let away = 0;
    while (!stop.signal.aborted) {
      try {
        const { erasure, progress } = await readErasure(ctx, id);
        away = 0;
        if (stop.signal.aborted) break;
        view.show(erasure, progress);
        if (erasure.state === 'completed') return 0;
        if (erasure.state === 'stalled' || erasure.state === 'cancelled') return 1;
      } catch (error) {
        if (sanitize(error).code !== 'database_unavailable' || away * PERIOD_MS > PATIENCE_MS) throw error;
        if (away++ === 0) terminal.err.write('lethe: note: the database cannot be reached; trying again\n');
      }
      await sleep(PERIOD_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
    return INTERRUPTED;
  } catch (error) {
    const clean = sanitize(error);
    throw clean.code === 'database_unavailable'
      ? new LetheError('database_unavailable', `DATABASE_URL: ${clean.detail}`)
      : clean;
  } finally {
    view.end();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** Calls `print` when something other than the estimate has changed since the last time. */
function onChange(print: (erasure: Erasure, progress: Progress) => string, terminal: Terminal): View {
  let last = '';
  return {
    show: (erasure, progress) => {
      const seen = JSON.stringify([erasure.state, erasure.heldAt, { ...progress, etaSeconds: null }]);
      if (seen === last) return;
      last = seen;
      terminal.out.write(`${print(erasure, progress)}\n`);
    },
    end: () => {},
  };
}

const jsonLines = (terminal: Terminal): View =>
  onChange((erasure, progress) => json(erasureResource(erasure, progress, true)), terminal);

const lines = (terminal: Terminal): View =>
  onChange((erasure, progress) => {
    const each = progress.locations.map(
      (l) =>
        `${printable(l.name)} ${number(l.rowsDeleted)}/${number(l.rowsPlanned)}${l.state === 'failed' ? ' failed' : ''}`,
    );
    return `${time(new Date())}  ${headline(erasure, progress)}  [${each.join(', ')}]`;
  }, terminal);

const headline = (erasure: Erasure, progress: Progress) =>
  erasure.heldAt
    ? `${erasure.state}, on hold ${heldWords(erasure)}`
    : erasure.state === 'scheduled'
      ? `scheduled, starts ${time(erasure.startsAt)}`
      : `${erasure.state}  ${progressWords(progress)}`;

/** One bar for each location, and the headline below. */
function bars(terminal: Terminal): View {
  const all = new MultiBar({
    stream: terminal.out,
    format: '{name} [{bar}] {share} {rows}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: Math.max(10, Math.min(40, (terminal.out.columns ?? 80) - 50)),
    hideCursor: true,
    // Ctrl-C is ours: it has to end the process too.
    gracefulExit: false,
    fps: 5,
  });
  const byName = new Map<string, SingleBar>();
  let bottom: SingleBar | undefined;
  let failures: string[] = [];
  return {
    show: (erasure, progress) => {
      const widest = Math.max(...progress.locations.map((l) => width(printable(l.name))));
      for (const l of progress.locations) {
        const share = shareOf(l);
        const name = printable(l.name);
        const payload = {
          name: name + ' '.repeat(widest - width(name)),
          share: (share === null ? '–' : `${Math.floor(share)} %`).padStart(5),
          rows: `${number(l.rowsDeleted)} of ${number(l.rowsPlanned)}${l.state === 'failed' ? ' failed' : ''}`,
        };
        const bar = byName.get(l.name);
        if (bar) bar.update(share ?? 0, payload);
        else byName.set(l.name, all.create(100, share ?? 0, payload));
      }
      bottom ??= all.create(100, 0, {}, { format: '{headline}' });
      bottom.update(0, { headline: headline(erasure, progress) });
      failures = progress.locations.flatMap((l) =>
        l.lastError ? [`${printable(l.name)}: ${printable(l.lastError)}`] : [],
      );
    },
    end: () => {
      // Without a bar it would move the cursor of a terminal that it has never written to.
      if (byName.size > 0) all.stop();
      for (const failure of failures) terminal.out.write(`${failure}\n`);
    },
  };
}

/** Percent of one location; null while it is not counted. */
function shareOf({ state, rowsDeleted, rowsPlanned }: Progress['locations'][number]): number | null {
  if (state === 'done') return 100;
  if (rowsPlanned === null) return null;
  return rowsPlanned === 0 ? 0 : Math.min(99, (100 * rowsDeleted) / rowsPlanned);
}
