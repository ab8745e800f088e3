import { z } from 'zod';
import type { AskedLocation } from '../asked.ts';
import { pacingShape } from '../outside/declare.ts';

const ENV = /^env:([A-Z_][A-Z0-9_]*)$/i;

/** What an entry of the kind event says under `event:`. All of it may be left out: `event: {}`. */
export const asks = z.strictObject({
  stream: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'expected a name without spaces, of at most 200 characters')
    .optional()
    .describe(
      'The stream or queue for this partner alone. Default: {lethe}:events for all, or a queue lethe.<partner>.',
    ),
  secret: z
    .string()
    .regex(ENV, 'expected env: and the name of a variable, such as env:SEARCH_SECRET')
    .optional()
    .describe(
      'The variable with the secret that signs. Default: not signed, since only who may read the bus reads it.',
    ),
  ...pacingShape,
});

export type EventAsks = z.infer<typeof asks>;
export type EventLocation = AskedLocation<EventAsks>;

/** The variable that has the secret; undefined: messages are not signed. */
export const secretOf = ({ asks: { secret } }: EventLocation): string | undefined => secret?.replace(ENV, '$1');
