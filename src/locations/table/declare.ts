import { z } from 'zod';
import type { DeclaredLocation, DeclaredTable } from '../../catalog/live/declared.ts';
import { fullName } from '../../catalog/live/names.ts';
import { writtenName, writtenTable } from '../../catalog/live/written.ts';

/** What an entry says of a table, beside what all entries say. */
export const declareTable = z.strictObject({
  table: writtenTable('say which table it is: table: orders'),
  account: writtenName("say which column holds the account's key: account: user_id").describe(
    "The column that holds the account's key.",
  ),
});

/** The table as a statement names it: `posts` and `public.posts` are one. */
export const placeOfTable = (entry: DeclaredLocation): string => fullName((entry as DeclaredTable).table);
