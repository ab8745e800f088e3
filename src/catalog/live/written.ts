import { z } from 'zod';
import { nameParts } from './names.ts';

const isEmpty = (input: unknown) =>
  input === undefined || input === null || (Array.isArray(input) && input.length === 0);

/** `missing`: what to say where nothing is written, or an empty list. */
const text = (missing: string | undefined) =>
  z.string({ error: ({ input }) => (isEmpty(input) ? missing : undefined) });

/** A name as a catalog writes it: of a column, or of a location. */
export const writtenName = (missing?: string) => text(missing).min(1).max(63);

/** A table as a catalog writes it: `posts`, `shop.orders`, `"my schema"."my table"`. */
export const writtenTable = (missing?: string) =>
  text(missing)
    .refine(
      (written) => nameParts(written) !== undefined,
      'expected a table, or schema.table; a name with a space or a dot stands in quotes, such as "my table"',
    )
    .describe('A table of schema public, or schema.table. A name with a space or a dot stands in quotes.');
