import { type SQL, sql } from 'drizzle-orm';
import { belongsTo, tuple, values, walks } from '../../../keys/sql.ts';
import type { KeyColumns, KeyValue } from '../../../keys/types.ts';

/** The account's rows with keys above `lower` (null: from the start) and up to `upper` (null: all of them). */
export function rowsBetween(
  alias: string,
  location: { account: KeyColumns; key: KeyColumns },
  account: KeyValue,
  lower: KeyValue | null,
  upper: KeyValue | null,
): SQL {
  if (upper === null) return walks(alias, location.account, account);
  const above = lower ? sql`${tuple(alias, location.key)} > ${values(location.key, lower)} AND ` : sql``;
  return sql`${belongsTo(alias, location.account, account)} AND ${above}${tuple(alias, location.key)} <= ${values(location.key, upper)}`;
}
