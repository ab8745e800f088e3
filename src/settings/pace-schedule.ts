export const PACES = ['gentle', 'balanced', 'full'] as const;
export type Pace = (typeof PACES)[number];

/** Minutes of the day from `start` to before `end`; past midnight when `end` is the smaller one. */
type Window = {
  readonly pace: Pace;
  /** Days on which a window begins, 0 is Sunday; a window past midnight belongs to the day before. */
  readonly days: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly zone: string;
};

/** Which pace when: the first window that contains the moment, else the default. */
export type PaceSchedule = { readonly windows: readonly Window[]; readonly otherwise: Pace };

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const DAY_MINUTES = 24 * 60;
const ENTRY = /^([a-z]+)(?:\s+([a-z]{3})(?:-([a-z]{3}))?)?\s+(\d\d:\d\d)-(\d\d:\d\d)(?:\s+(\S+))?$/i;
const EXPECTED = `expected ${PACES.join(', ')}, alone or with a time such as gentle Mon-Fri 08:00-20:00 Europe/Berlin`;

/**
 * Reads `LETHE_PACE`: entries separated by commas, at most one of them without a time. Throws an Error
 * that says which entry is wrong and what was expected.
 */
export function parsePaceSchedule(text: string): PaceSchedule {
  const entries = text.split(',').map((entry) => entry.trim());
  const windows: Window[] = [];
  let otherwise: Pace | undefined;
  for (const [index, entry] of entries.entries()) {
    const fail = (expected: string) => new Error(`entry ${index + 1} of ${entries.length}: ${expected}`);
    if (isPace(entry)) {
      if (otherwise) throw fail('a second one without a time; expected one pace for all other times');
      otherwise = entry;
    } else windows.push(parseWindow(entry, fail));
  }
  return { windows, otherwise: otherwise ?? 'balanced' };
}

const isPace = (text: string): text is Pace => (PACES as readonly string[]).includes(text);

function parseWindow(entry: string, fail: (expected: string) => Error): Window {
  const [, pace = '', first, last, from = '', to = '', zone = 'UTC'] = ENTRY.exec(entry) ?? [];
  if (!isPace(pace)) throw fail(EXPECTED);
  const [start, end] = [minutesOf(from), minutesOf(to)];
  if (start === undefined || end === undefined || start === DAY_MINUTES || start === end)
    throw fail('expected two different times from 00:00 to 24:00, such as 22:00-06:00');
  const days = daysOf(first, last ?? first);
  if (!days) throw fail(`expected days of ${DAYS.join(', ')}, such as Mon-Fri`);
  if (!isZone(zone)) throw fail('expected a time zone such as Europe/Berlin or UTC');
  return { pace, days, start, end, zone };
}

function minutesOf(text: string): number | undefined {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  const all = hours * 60 + minutes;
  return minutes < 60 && all <= DAY_MINUTES ? all : undefined;
}

/** From the first to the last day, also across the end of the week; every day when none is named. */
function daysOf(first: string | undefined, last: string | undefined): number[] | undefined {
  if (first === undefined || last === undefined) return DAYS.map((_, day) => day);
  const find = (name: string) => DAYS.findIndex((day) => day.toLowerCase() === name.toLowerCase());
  const [from, to] = [find(first), find(last)];
  if (from < 0 || to < 0) return undefined;
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, i) => (from + i) % 7);
}

function isZone(zone: string): boolean {
  try {
    return Boolean(clockOf(zone));
  } catch {
    return false;
  }
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  const clock =
    clocks.get(zone) ??
    new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  clocks.set(zone, clock);
  return clock;
}

/** The pace at a moment. Windows are read off the wall clock of their zone, also on the days when it is put forward or back. */
export function paceAt({ windows, otherwise }: PaceSchedule, date: Date): Pace {
  return windows.find((window) => contains(window, date))?.pace ?? otherwise;
}

function contains({ days, start, end, zone }: Window, date: Date): boolean {
  const parts = Object.fromEntries(
    clockOf(zone)
      .formatToParts(date)
      .map(({ type, value }) => [type, value]),
  );
  const today = DAYS.indexOf(parts.weekday ?? '');
  const minute = Number(parts.hour) * 60 + Number(parts.minute);
  if (start < end) return days.includes(today) && start <= minute && minute < end;
  return (days.includes(today) && minute >= start) || (days.includes((today + 6) % 7) && minute < end);
}
