const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const CLOCK = { hour: '2-digit', minute: '2-digit', timeZone: 'UTC' } as const;
const SECONDS = { ...CLOCK, second: '2-digit' } as const;
const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('en-GB', options);
const TIME = format(CLOCK);
const DAY_TIME = format({ day: 'numeric', month: 'short', ...CLOCK });
const YEAR_TIME = format({ day: 'numeric', month: 'short', year: 'numeric', ...CLOCK });

/** `14:00 UTC` today, `24 Nov, 14:00 UTC` this year, `24 Nov 2025, 14:00 UTC` otherwise. */
export function clockWords(at: Date, now: Date): string {
  const [there, here] = [at.toISOString(), now.toISOString()];
  const spoken =
    there.slice(0, 10) === here.slice(0, 10) ? TIME : there.slice(0, 4) === here.slice(0, 4) ? DAY_TIME : YEAR_TIME;
  return `${spoken.format(at)} UTC`;
}

/** The same to the second: `14:00:07 UTC`. */
export function secondWords(at: Date, now: Date): string {
  const sameDay = at.toISOString().slice(0, 10) === now.toISOString().slice(0, 10);
  const day = sameDay ? '' : `${clockWords(at, now).split(', ')[0]}, `;
  return `${day}${format(SECONDS).format(at)} UTC`;
}

/** A length of time: `less than a minute`, `12 min`, `3 h`, `2 days`. */
export function spanWords(ms: number): string {
  const length = Math.abs(ms);
  if (length < MINUTE) return 'less than a minute';
  if (length < 90 * MINUTE) return `${Math.floor(length / MINUTE)} min`;
  if (length < 2 * DAY) return `${Math.round(length / HOUR)} h`;
  return `${Math.round(length / DAY)} days`;
}

/** A moment and how far it is: `14:00 UTC, in 12 min`; `14:00 UTC, 12 min ago`. */
export function momentWords(at: Date, now: Date): string {
  const ahead = at.getTime() - now.getTime();
  return `${clockWords(at, now)}, ${ahead >= 0 ? `in ${spanWords(ahead)}` : `${spanWords(ahead)} ago`}`;
}

const NAMES: Record<string, string> = {
  account: 'the user',
  'status link': 'the user’s status link',
  'account.hold': 'the application (account.hold)',
  cli: 'the command line',
  sweep: 'the sweep',
};

/** Who did something, as events record it: `account`, `key:<name>`, `user:<name>`, `cli`, … */
export function whoWords(by: string): string {
  const [, kind, name] = /^(key|user):(.*)$/s.exec(by) ?? [];
  if (kind) return kind === 'key' ? `the API key ${name}` : (name as string);
  return Object.hasOwn(NAMES, by) ? (NAMES[by] as string) : by;
}
