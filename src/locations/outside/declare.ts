import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import type { DeclaredLocation } from '../../catalog/live/declared.ts';
import { nameParts } from '../../catalog/live/names.ts';
import { writtenName } from '../../catalog/live/written.ts';
import type { Pacing } from '../asked.ts';

/** A duration such as `10s`, in milliseconds, between two bounds. */
export const span = (least: string, most: string) =>
  z
    .string()
    .refine((text) => /^\d+(\.\d+)?\s*(ms|s|m|h|d)$/.test(text), 'expected a duration such as 10s')
    .transform((text) => ms(text as StringValue))
    .refine(
      (value) => value >= ms(least as StringValue) && value <= ms(most as StringValue),
      `expected ${least} to ${most}`,
    );

const rate = z
  .string()
  .regex(/^\d+(\.\d+)?\/(s|m|h)$/, 'expected a rate such as 20/s')
  .transform((text) => {
    const [calls, per] = text.split('/') as [string, string];
    return Number(calls) / { s: 1, m: 60, h: 3600 }[per as 's' | 'm' | 'h'];
  })
  .refine((value) => value > 0 && value <= 10_000, 'expected at most 10000 calls a second, and more than none');

/** How often a partner may be asked: stands among the keys of each kind's own part. */
export const pacingShape = {
  timeout: span('100ms', '5m').default(10_000).describe('A call that takes longer has failed.'),
  concurrency: z.int().min(1).max(64).default(4).describe('Calls under way at once, of all workers together.'),
  rate: rate.optional().describe('Calls that may begin in a second (or m, h), of all workers together: 20/s.'),
  ackTimeout: span('1s', '30d')
    .default(86_400_000)
    .describe('What was accepted and not acknowledged for so long is asked again.'),
};

export type DeclaredPacing = { timeout: number; concurrency: number; rate?: number | undefined; ackTimeout: number };

export const pacingOf = (declared: DeclaredPacing): Pacing => ({
  timeoutMs: declared.timeout,
  concurrency: declared.concurrency,
  perSecond: declared.rate ?? null,
  ackTimeoutMs: declared.ackTimeout,
});

/** `location.column`: the last part is the column. */
const ofLocation = z
  .string()
  .refine((text) => (nameParts(text, 3)?.length ?? 0) >= 2, 'expected location.column, such as media.file_key');

const names = z.union([writtenName().transform((name) => [name]), z.array(writtenName()).min(1)]);

/** What every entry of a partner may say, beside its kind's own part. */
export const partnerShape = {
  partner: writtenName('say what the partner is called: partner: search').describe(
    'Its name in progress and evidence.',
  ),
  select: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*$/i, 'expected a name of letters and digits'), ofLocation)
    .optional()
    .describe(
      "Columns of the account's row that the call needs, read before the row goes: { customer: users.stripe_id }.",
    ),
  each: ofLocation
    .optional()
    .describe('A column of a location: the partner is told of each row that goes: media.file_key.'),
  after: names.optional().describe('Locations that must be done before this one is asked.'),
  before: names.optional().describe('Locations that must wait until this one is done.'),
};

export type DeclaredPartner = DeclaredLocation & {
  partner: string;
  select?: Record<string, string> | undefined;
  each?: string | undefined;
  after?: string[] | undefined;
  before?: string[] | undefined;
};
