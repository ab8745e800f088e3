import { z } from 'zod';
import { pacingShape } from '../outside/declare.ts';
import { partnerKind } from '../outside/kind.ts';

const asks = z.strictObject({
  bucket: z.string(),
  prefix: z.string().optional(),
  ...pacingShape,
});

/** Files in an S3 bucket. */
export const objectStore = partnerKind<z.infer<typeof asks>>({
  name: 'object-store',
  entry: 's3',
  asks,
  refused: 'files can only be deleted: move them elsewhere before, if they must stay',
  byKeyAlone: (_asks, entry) => !entry.each,
  outside: {
    open: () => {
      throw new Error('not built yet');
    },
    variablesOf: () => [],
  },
});
