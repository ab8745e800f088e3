import type { KeyValue } from '../../keys/types.ts';
import type { Counts } from '../../locations/kind.ts';
import { insideKind, outlives } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { sqlState } from '../../store/sql-errors.ts';
import { limitStatements, pipeline } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { MOST_IN_A_REQUEST, readRates, rowLimit } from '../model/throughput.ts';

/** What one transaction may take of a small account; `ms` from its lock to commit. */
export function limitsOfSmall({ catalog, settings }: Context): { rows: number; ms: number } {
  const { threshold } = catalog.account;
  return { rows: typeof threshold === 'number' ? threshold : MOST_IN_A_REQUEST, ms: settings.immediateMs };
}

/** What takes long to probe is not small: the account stays locked meanwhile. Its transaction is over. */
export class ProbeTooLong extends Error {}

/**
 * The account's rows by location when it is small: fewer than the threshold in every location, or less work than it
 * allows. Otherwise null. Probed with a limit, never counted in full. Throws `ProbeTooLong` at the limit for
 * statements, which the caller has set. For a threshold in time, which takes a statement for each location, the limit
 * is shorter, here and for what follows.
 */
export async function countIfSmall(tx: Transaction, ctx: Context, key: KeyValue): Promise<Counts | null> {
  const inTime = typeof ctx.catalog.account.threshold !== 'number';
  const share = { statementMs: ctx.settings.lockBudgetMs / 2 / Math.max(1, insideLocations(ctx).length) };
  try {
    const [, counts] = await pipeline([
      async () => (inTime ? limitStatements(tx, share) : undefined),
      () => countFew(tx, ctx, key),
    ]);
    return counts;
  } catch (error) {
    if (sqlState(error) === '57014') throw new ProbeTooLong();
    throw error;
  }
}

/** What outlives the account is erased later, whatever its size. */
const insideLocations = ({ catalog, kinds }: Context) => catalog.locations.filter((l) => !outlives(kinds, l));

async function countFew(tx: Transaction, ctx: Context, key: KeyValue): Promise<Counts | null> {
  const { threshold } = ctx.catalog.account;
  const { inside } = insideKind(ctx.kinds);
  if (typeof threshold === 'number') {
    const counts = await inside.countUpTo(tx, ctx, key, threshold);
    return [...counts.values()].every((rows) => rows < threshold) ? counts : null;
  }
  const counts = new Map<string, number>();
  const rates = await readRates(tx);
  let left = threshold.ms;
  for (const location of insideLocations(ctx)) {
    const rate = rates.get(location.name);
    const limit = rowLimit(threshold, rate === undefined ? undefined : rate * left);
    const rows = await inside.countOneUpTo(tx, location, key, limit);
    if (rows >= limit) return null;
    counts.set(location.name, rows);
    if (rate !== undefined) left -= rows / rate;
  }
  return counts;
}
