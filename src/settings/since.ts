import ms, { type StringValue } from 'ms';
import { z } from 'zod';

const SPAN = /^\d+(\.\d+)?\s*(m|h|d|w)$/;
/** RFC 3339. Without a zone it would be another moment on another machine. */
const moment = z.iso.datetime({ offset: true });

export const SINCE_EXPECTED = 'expected a time in the past such as 2026-11-22T04:00:00Z, or a span such as 2d';

/** A moment in the past: as RFC 3339 has it, or so long ago (`90m`, `2d`). Null for what is neither. */
export function parseSince(text: string, now = new Date()): Date | null {
  const at = SPAN.test(text)
    ? now.getTime() - ms(text as StringValue)
    : moment.safeParse(text).success
      ? Date.parse(text)
      : Number.NaN;
  return at >= 0 && at <= now.getTime() ? new Date(at) : null;
}
