import { CronExpressionParser } from 'cron-parser';

/** The first sweep at or after `from` (UTC): when a scheduled erasure starts at the latest. */
export function nextSweep(cron: string, from: Date): Date {
  // The parser's next() is strictly later than its current date.
  return CronExpressionParser.parse(cron, { currentDate: new Date(from.getTime() - 1), tz: 'UTC' })
    .next()
    .toDate();
}
