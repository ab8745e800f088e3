import { CronExpressionParser } from 'cron-parser';

const DAY = 86_400_000;
const HOUR = 3_600_000;
function figure(ms: number): string {
  const [unit, of] = ms >= 2 * DAY ? [DAY, 'day'] : [HOUR, 'hour'];
  const n = Number((ms / unit).toFixed(2));
  return `${n} ${of}${n === 1 ? '' : 's'}`;
}

/**
 * Why an erasure may start when `slaMs`, counted from its request, have passed already, in words with the figures; undefined
 * when it cannot. It starts with the first sweep after the undo window.
 */
export function startsTooLate(
  { sweepCron, undoWindowMs }: { sweepCron: string; undoWindowMs: number },
  slaMs: number,
  now: Date,
): string | undefined {
  const left = slaMs - undoWindowMs;
  const pause = left > 0 ? longestPause(sweepCron, left - 1, now) : undefined;
  if (left > 0 && !pause) return undefined;
  const waits = pause
    ? `LETHE_SWEEP_CRON pauses for up to ${figure(pause.to.getTime() - pause.from.getTime())} (${pause.from.toISOString().slice(0, 16)}Z to ${pause.to.toISOString().slice(0, 16)}Z)`
    : 'LETHE_SWEEP_CRON has to come as well';
  return `an erasure would start after its deadline: the undo window is ${figure(undoWindowMs)}, ${waits}, and only ${figure(slaMs)} are allowed from the request`;
}

/** When it should have come last, at the latest at `now`. */
export const lastTick = (cron: string, now: Date): Date =>
  CronExpressionParser.parse(cron, { currentDate: new Date(now.getTime() + 1), tz: 'UTC' })
    .prev()
    .toDate();

/** How far ahead the sweeps are looked at: every leap day has come by then. */
const HORIZON_MS = 8 * 366 * DAY;
const MOST_STEPS = 2_000;

/** The longest time without a sweep, when it is longer than `allowedMs`, and between which sweeps. */
function longestPause(cron: string, allowedMs: number, now: Date): { from: Date; to: Date } | undefined {
  let longest: { from: Date; to: Date } | undefined;
  let last = nextSweep(cron, now);
  for (let step = 0; step < MOST_STEPS && last.getTime() < now.getTime() + HORIZON_MS; step++) {
    // The last one that comes in time: those before it cannot be further apart.
    const before = new Date(last.getTime() + allowedMs + 1);
    const within = CronExpressionParser.parse(cron, { currentDate: before, tz: 'UTC' }).prev().toDate();
    if (within > last) {
      last = within;
      continue;
    }
    const to = nextSweep(cron, new Date(last.getTime() + 1));
    if (!longest || to.getTime() - last.getTime() > longest.to.getTime() - longest.from.getTime())
      longest = { from: last, to };
    last = to;
  }
  return longest;
}

/** The first sweep at or after `from` (UTC): when a scheduled erasure starts at the latest. */
export function nextSweep(cron: string, from: Date): Date {
  // The parser's next() is strictly later than its current date.
  return CronExpressionParser.parse(cron, { currentDate: new Date(from.getTime() - 1), tz: 'UTC' })
    .next()
    .toDate();
}
