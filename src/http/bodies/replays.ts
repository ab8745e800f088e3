import { z } from '@hono/zod-openapi';

const counted = (description: string) => z.int().nonnegative().openapi({ description });

export const ReplayRequest = z
  .strictObject({
    failed: z.literal(true, 'expected true').optional().openapi({ description: 'Every erasure that has stalled.' }),
    partner: z
      .string()
      .min(1)
      .max(200)
      .refine((text) => !/\p{Cc}/u.test(text), 'expected a text without control characters')
      .optional()
      .openapi({ description: 'Only this partner: its name in the catalog.', examples: ['search'] }),
    since: z
      .string()
      .max(40)
      .optional()
      .openapi({
        description: 'Only partners that have acknowledged then or later: RFC 3339, or a span such as `2d` ago.',
        examples: ['2026-11-22T04:00:00Z'],
      }),
    dryRun: z.boolean('expected true or false').optional().openapi({ description: 'Only count what would be taken.' }),
    cursor: z.string().max(60).optional().openapi({ description: 'The `nextCursor` of the answer before.' }),
  })
  .openapi('ReplayRequest');

export const ReplayResult = z
  .object({
    erasures: counted('Erasures that run again, or whose partners are asked anew.'),
    calls: counted('Calls that waited for their next try, and are due at once.'),
    newer: counted('Left out: somebody new has the account’s key.'),
    held: counted('Left out: on hold.'),
    busy: counted('Left out: locked just now.'),
    impossible: counted('Left out: scrubbed, or the values that the partner was told are destroyed.'),
    nextCursor: z.string().nullable().openapi({ description: 'Send it as `cursor` to go on; null: it was all.' }),
  })
  .openapi('ReplayResult');
