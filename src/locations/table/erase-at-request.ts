import { qualified } from '../../catalog/live/names.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Transaction } from '../../store/client.ts';
import { afterCommit } from '../../store/transaction.ts';
import type { Inside, KindContext } from '../kind.ts';
import { findGone } from './gone-columns.ts';
import { refuseNewReferences } from './refuse-new-references.ts';
import { eraseRows } from './rows/erase-rows.ts';
import { add, withSideEffects } from './side-effects.ts';

/**
 * Deletes at most `most` rows of each location `at: request`. To accept comes first: a table that a foreign key points at
 * which the catalog does not know is left to the workers, who stall. So is one that lacks a column that partners are told of.
 */
export const eraseAtRequest: Inside['eraseAtRequest'] = async (
  tx: Transaction,
  ctx: KindContext,
  account: KeyValue,
  { most, record },
) => {
  const tables = ctx.catalog.tables.filter((l) => l.atRequest);
  const kept = new Set<string>();
  const keep = (table: string) => void kept.add(table);
  if (tables.length > 0) await refuseNewReferences(tx, ctx.catalog, { tables, concerns: keep });
  const told = tables.some(({ name }) => ctx.catalog.gathered.has(name));
  for (const { table } of told ? await findGone(tx, ctx.catalog) : []) keep(qualified(table));
  let left = false;
  for (const table of tables.filter((l) => !kept.has(qualified(l)))) {
    const pick = { lower: null, upper: null, limit: most, skipLocked: false };
    const erase = () => eraseRows(tx, ctx.catalog, table, account, pick);
    const { rows, more, besides } = await withSideEffects(tx, ctx.catalog, erase);
    add(rows, besides);
    left ||= more;
    afterCommit(tx, () => ctx.onDeleted?.(rows));
    await record(rows, more);
  }
  return { more: left, kept: [...kept] };
};
