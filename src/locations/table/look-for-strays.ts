import { sql } from 'drizzle-orm';
import { findStrayPaths } from '../../catalog/checks/strays.ts';
import { inspectForeignKeys } from '../../catalog/live/inspect.ts';
import { identifiers, qualified } from '../../catalog/live/names.ts';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import { PROBING } from '../../store/limits.ts';
import { isContended } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import type { InTheWay, Kind, KindContext } from '../kind.ts';
import { refuseNewReferences, whereRowsAre } from './refuse-new-references.ts';
import { countStrays } from './rows/count-strays.ts';

/** Others' rows that reference the account's by one foreign key. `rows` is null when they could not be counted in time. */
export type Strays = {
  table: string;
  columns: readonly string[];
  constraint: string;
  /** The account's table that they reference, and the name of its location. */
  parent: string;
  location: string;
  rows: number | null;
  /** There are at least so many. */
  more: boolean;
  /** Name of the location that they are in, where the catalog lists it, and keys of the first few. */
  referencing: string | undefined;
  keys: string[][];
};

/** More are not counted: one alone stops an erasure. */
const MOST = 1_000;
/** One second is what the shortest look gets, also when those before took all the time. */
const LEAST_MS = 1_000;

/**
 * Looks for rows of others that reference the account's, with `ms` for all foreign keys together. Changes nothing and locks
 * nothing; what is found is counted by the database, so it takes no memory here.
 */
export async function findStrays(
  ctx: Pick<KindContext, 'db' | 'catalog'>,
  account: KeyValue,
  ms: number,
): Promise<Strays[]> {
  const { db, catalog } = ctx;
  const foreignKeys = await inspectForeignKeys(db, [catalog.account, ...catalog.tables]);
  const end = performance.now() + ms;
  const found: Strays[] = [];
  for (const path of findStrayPaths(catalog, foreignKeys)) {
    const limits = { ...PROBING, statementMs: Math.max(LEAST_MS, end - performance.now()) };
    const counted = await transaction(db, limits, async (tx) => {
      await tx.execute(sql`SET TRANSACTION READ ONLY`);
      return countStrays(tx, path, account, MOST);
    }).catch((error: unknown) => {
      if (isContended(error)) return null;
      throw error;
    });
    const { rows, keys } = counted ?? { rows: null, keys: [] };
    if (rows === 0) continue;
    const { constraint, columns, parent } = path;
    const table = qualified(path.child);
    found.push({
      table,
      columns,
      constraint,
      parent: qualified(parent),
      location: parent.name,
      rows,
      more: rows === MOST,
      referencing: 'name' in path.child ? path.child.name : undefined,
      keys,
    });
  }
  return found;
}

/** What stands in the way, and where. */
export const strayWords = ({ table, columns, constraint, parent, rows, more }: Strays): string => {
  const many =
    rows === null ? 'rows' : `${more ? 'at least ' : ''}${rows.toLocaleString('en-US')} row${rows === 1 ? '' : 's'}`;
  return `${table} (${identifiers(columns)}): ${many} of others reference${rows === 1 ? 's' : ''} rows of this account in ${parent} (${constraint})`;
};

/** The same for a plan: each with its words. */
export const findInTheWay: Kind['findInTheWay'] = async (ctx, account, ms): Promise<InTheWay[]> =>
  (await findStrays(ctx, account, ms)).map((s) => ({ words: strayWords(s), rows: s.rows, evidence: s }));

/**
 * Looks for what would stop the erasure later: foreign keys that the catalog does not know. Before anything is deleted
 * it also looks for rows of others that reference the account's. Throws `catalog_invalid` and `foreign_reference`.
 */
export const lookFirst: Kind['look'] = async (ctx, account, { begun }) => {
  await refuseNewReferences(ctx.db, ctx.catalog, {
    concerns: (table) => transaction(ctx.db, PROBING, async (tx) => whereRowsAre(tx, ctx.catalog, account)(table)),
  });
  if (!begun) await refuseStrays(ctx, account);
};

/**
 * Refuses to begin while rows of others reference the account's: met later, they would stop it when most is gone and
 * nothing can be undone. Throws `foreign_reference` that names them all. A look that takes too long does not keep the
 * erasure from its deadline. The slices meet what it did not see, and they touch nobody's rows either.
 */
async function refuseStrays(ctx: KindContext, account: KeyValue): Promise<void> {
  const strays = await findStrays(ctx, account, PROBING.statementMs);
  for (const { table, constraint } of strays.filter((s) => s.rows === null))
    ctx.log.warn({ table, constraint }, 'rows of others were not looked for to the end: it would take too long');
  const met = strays.filter((s) => s.rows !== null);
  const [first] = met;
  if (!first) return;
  throw new LetheError(
    'foreign_reference',
    `${met.map(strayWords).join('; ')}. Nothing was deleted, so it can still be undone`,
    { location: first.location, referencing: first.referencing, keys: first.keys },
  );
}
