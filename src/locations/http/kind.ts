import { z } from 'zod';
import { pacingShape } from '../outside/declare.ts';
import { partnerKind } from '../outside/kind.ts';

const asks = z.strictObject({
  url: z.string(),
  secret: z.string(),
  ...pacingShape,
});

/** A service that speaks the contract of partners. */
export const http = partnerKind<z.infer<typeof asks>>({
  name: 'http',
  entry: 'http',
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
