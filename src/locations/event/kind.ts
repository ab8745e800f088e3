import { z } from 'zod';
import { pacingShape } from '../outside/declare.ts';
import { partnerKind } from '../outside/kind.ts';

const asks = z.strictObject({
  stream: z.string().default('events'),
  ...pacingShape,
});

/** A partner that reads events from a bus and acknowledges them. */
export const event = partnerKind<z.infer<typeof asks>>({
  name: 'event',
  entry: 'event',
  asks,
  refused: 'a partner is told to delete: what else becomes of its data is its own affair',
  byKeyAlone: () => false,
  outside: {
    open: () => {
      throw new Error('not built yet');
    },
    variablesOf: () => [],
  },
});
