import { isIPv6 } from 'node:net';
import { CronExpressionParser } from 'cron-parser';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { parsePaceSchedule } from './pace-schedule.ts';

/** The entries of a list that commas separate, without the spaces around them. */
export const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

const WITH_UNIT = /^\d+(\.\d+)?\s*(ms|s|m|h|d)$/;

/** A duration with its unit, read as milliseconds; `min` and `max` are milliseconds, too. */
export const duration = (min: number, max: number) =>
  z.string().transform((text, ctx) => {
    // Without a unit the library takes milliseconds: nobody who writes 3600 means 3.6 seconds.
    const value = text === '0' ? 0 : WITH_UNIT.test(text) ? ms(text as StringValue) : undefined;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    ctx.addIssue(`expected a duration such as 30s or 24h, from ${ms(min)} to ${ms(max)}`);
    return z.NEVER;
  });

/** A whole number between these two, both included. */
export const integer = (min: number, max: number) =>
  z.coerce
    .number({ error: `expected a whole number from ${min} to ${max}` })
    .int()
    .min(min)
    .max(max);

/** A URL with one of these protocols, each with its colon. */
export const url = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `expected a URL that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`,
    );

/** An address as it is written, which `parse` finds no problem with. Whoever opens it takes it apart again. */
export const address = (parse: (text: string) => object | { problem: string }) =>
  z.string().superRefine((text, ctx) => {
    const parsed = parse(text);
    if ('problem' in parsed) ctx.addIssue(String(parsed.problem));
  });

/** A list of web origins, without paths. */
export const origins = z.string().transform((text, ctx) =>
  splitList(text).map((entry) => {
    if (/^https?:$/.test(URL.canParse(entry) ? new URL(entry).protocol : '') && new URL(entry).origin === entry)
      return entry;
    ctx.addIssue('expected origins such as https://app.example.com, comma-separated, without a path');
    return z.NEVER;
  }),
);

/** A list of host names and addresses, in lower case. `*.internal` stands for all names that end so. */
export const hosts = z.string().transform((text, ctx) =>
  splitList(text).map((entry) => {
    const host = entry.replace(/^\*\./, '').replace(/^\[(.*)\]$/, '$1');
    if (/^[\w.-]+$/.test(host) || isIPv6(host)) return entry.toLowerCase();
    ctx.addIssue('expected host names or addresses such as search.internal, 10.0.0.7 or *.internal, comma-separated');
    return z.NEVER;
  }),
);

/** A colour as six hexadecimal digits. */
export const color = z.string().regex(/^#[0-9a-f]{6}$/i, 'expected a colour such as #1f5f8b');

/** When which pace applies. */
export const pace = z.string().transform((text, ctx) => {
  try {
    return parsePaceSchedule(text);
  } catch (error) {
    ctx.addIssue((error as Error).message);
    return z.NEVER;
  }
});

/** A cron expression that comes at some time. */
export const sweepCron = z.string().refine((text) => {
  try {
    // It throws for one that never comes, such as the 30th of February.
    return Boolean(CronExpressionParser.parse(text, { tz: 'UTC' }).next());
  } catch {
    return false;
  }
}, 'expected a cron expression such as 0 * * * *');
