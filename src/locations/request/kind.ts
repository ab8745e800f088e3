import { z } from 'zod';
import { pacingShape } from '../outside/declare.ts';
import { partnerKind } from '../outside/kind.ts';

const asks = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
  url: z.string(),
  ...pacingShape,
});

/** A service with an interface of its own, called by a template. */
export const request = partnerKind<z.infer<typeof asks>>({
  name: 'request',
  entry: 'request',
  asks,
  refused: 'a request of the catalog deletes: what else it does is not known here',
  byKeyAlone: (_asks, entry) => !entry.select && !entry.each,
  outside: {
    open: () => {
      throw new Error('not built yet');
    },
    variablesOf: () => [],
  },
});
