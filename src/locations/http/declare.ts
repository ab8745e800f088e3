import { z } from 'zod';
import type { AskedLocation } from '../asked.ts';
import { pacingShape } from '../outside/declare.ts';

const ENV = /^env:([A-Z_][A-Z0-9_]*)$/i;

/** The address of a partner: without user, password and fragment, since it is shown and logged. */
const address = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
    'expected a URL that begins with https://',
  )
  .refine(
    (text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''),
    'expected a URL without user and password: messages are signed',
  )
  .refine((text) => !text.includes('#'), 'expected a URL without #')
  .describe('Where messages are posted. http:// only for hosts in LETHE_PRIVATE_HOSTS.');

/** What an entry of the kind http says under `http:`. */
export const asks = z.strictObject({
  url: address,
  secret: z
    .string()
    .regex(ENV, 'expected env: and the name of a variable, such as env:SEARCH_SECRET')
    .describe('The variable with the secret that signs, or several with spaces between them.'),
  canary: address
    .optional()
    .describe('Where test data is planted and looked for, by the same contract. Absent: it has none of its own.'),
  ...pacingShape,
});

export type HttpAsks = z.infer<typeof asks>;
export type HttpLocation = AskedLocation<HttpAsks>;

/** The variable that has the secret. */
export const secretOf = ({ asks: { secret } }: HttpLocation): string => secret.replace(ENV, '$1');
