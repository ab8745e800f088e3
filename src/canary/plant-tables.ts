import { type SQL, sql } from 'drizzle-orm';
import { qualified } from '../catalog/live/names.ts';
import { ACCOUNT, readPlant } from '../catalog/live/plant.ts';
import { canonicalKey } from '../keys/canonical.ts';
import { decodeKey, encodeKey } from '../keys/encode.ts';
import { isKey, keyInWords } from '../keys/parse.ts';
import { hasKey, positionOf } from '../keys/test-data.ts';
import type { KeyColumns, KeyValue } from '../keys/types.ts';
import type { Transaction } from '../store/client.ts';
import { sanitize, sqlState } from '../store/sql-errors.ts';
import { transaction } from '../store/transaction.ts';
import { countRows } from './count-rows.ts';
import { type CanaryWork, type Cycle, type Finding, markerOf, PLANTING } from './model.ts';
import { NotPlanted } from './not-planted.ts';
import { readTargets } from './read-targets.ts';

/** A statement must not keep a lock for long, nor wait until somebody looks for a deadlock. */
const STATEMENT_MS = 5_000;
const MOST_ROWS = 10_000;

/** The statement with its values bound. Throws `NotPlanted` for a part of the key that there is not. */
export function bind(text: string, n: number, columns: KeyColumns, key: KeyValue | null, marker: string): SQL {
  const { pieces, problems } = readPlant(text, n);
  if (problems.length > 0) throw new NotPlanted(`statement ${n + 1}: ${problems.join('; ')}`);
  const partOf = (field: string | undefined): string => {
    const at = positionOf(columns, field);
    if (at >= 0) return key?.[at] ?? '';
    const names = columns.map(({ name }) => `$account.${name}`).join(' or ');
    throw new NotPlanted(`statement ${n + 1}: the account's key has several columns: expected ${names}`);
  };
  return sql.join(
    pieces.map((piece) =>
      'text' in piece ? sql.raw(piece.text) : sql`${piece.parameter === ACCOUNT ? partOf(piece.field) : marker}`,
    ),
  );
}

/**
 * Plants the account in its tables: all statements, and the note of it in the cycle's row, in one transaction. So what a
 * kill leaves is all of it or nothing. It is run by the planter's role, which must be allowed to update `lethe.canary`.
 * Returns false when somebody else has planted it. Throws `NotPlanted`.
 */
export async function plantTables(work: CanaryWork, cycle: Cycle): Promise<boolean> {
  const { planter, ctx, declared } = work;
  const limits = { statementMs: STATEMENT_MS, lockMs: 0.4 * ctx.settings.lockBudgetMs };
  return transaction(planter, limits, async (tx) => {
    const [mine] = await tx.execute<{ open: boolean }>(sql`
      SELECT state = 'planting' AND account_key IS NULL AS open FROM lethe.canary WHERE id = ${cycle.id} FOR UPDATE`);
    if (!mine) throw new NotPlanted('LETHE_CANARY_DATABASE_URL: expected the database of DATABASE_URL');
    if (!mine.open) return false;
    const columns = ctx.catalog.account.key;
    const findings: Finding[] = [];
    let key: KeyValue | null = null;
    for (const [n, text] of declared.plant.entries()) {
      const statement = bind(text, n, columns, key, markerOf(cycle));
      for (const target of await run(n, () => readTargets(tx, statement)))
        if (!isKnown(work, target))
          findings.push({
            location: target,
            words: 'planted there, and the catalog does not list it: no erasure looks',
          });
      const rows = await run(n, () => tx.execute(statement));
      if (rows.count > MOST_ROWS)
        throw new NotPlanted(`statement ${n + 1}: ${rows.count} rows, and at most ${MOST_ROWS} are planted`);
      if (key === null) {
        key = await readKey(tx, columns, rows);
        await requireNew(work, tx, key);
      }
      if (rows.count === 0) findings.push({ location: PLANTING, words: `statement ${n + 1} has added no row` });
    }
    await tx.execute(sql`
      UPDATE lethe.canary SET account_key = ${encodeKey(key as KeyValue)}, attempts = 0, last_words = NULL,
             next_at = now(), findings = ${findings.length > 0 ? JSON.stringify(unique(findings)) : null}::jsonb
       WHERE id = ${cycle.id}`);
    return true;
  });
}

/**
 * Throws `NotPlanted` unless this transaction has made the account. A statement may return somebody's key by mistake
 * (`ON CONFLICT`, a function, a wrong column), and that person's account would be erased. What another connection sees
 * was there before.
 */
async function requireNew({ ctx }: CanaryWork, tx: Transaction, key: KeyValue): Promise<void> {
  const { account } = ctx.catalog;
  const before = await countRows(ctx.db, ctx.catalog, key);
  if (before.account || [...before.rows.values()].some((n) => n > 0))
    throw new NotPlanted('statement 1 returned the key of an account that was there before: test data must be new');
  const [made] = await tx.execute(sql`
    SELECT FROM ${sql.identifier(account.schema)}.${sql.identifier(account.table)}
     WHERE ${hasKey(account.key, key)}`);
  if (!made) throw new NotPlanted('statement 1 returned the key of an account that there is not');
}

/** A table of the catalog, or one that need not be erased. */
const isKnown = ({ ctx: { catalog } }: CanaryWork, target: string): boolean =>
  [catalog.account, ...catalog.tables].some((table) => target === qualified(table)) || catalog.ignored.includes(target);

const unique = (findings: readonly Finding[]): Finding[] => [
  ...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values(),
];

/** The key in what the first statement returned, as the database prints it: by the names of its columns, else in order. */
async function readKey(
  tx: Transaction,
  columns: KeyColumns,
  rows: readonly Record<string, unknown>[],
): Promise<KeyValue> {
  const [row] = rows;
  if (rows.length !== 1 || !row)
    throw new NotPlanted(`statement 1 returned ${rows.length} rows: expected one, with the account's key (RETURNING)`);
  const named = columns.every(({ name }) => Object.hasOwn(row, name));
  const values = named ? columns.map(({ name }) => row[name]) : Object.values(row).slice(0, columns.length);
  const key = values.map((value) => (typeof value === 'string' || typeof value === 'number' ? String(value) : ''));
  if (!isKey(columns, encodeKey(key)))
    throw new NotPlanted(`statement 1 returned no key of an account: expected ${keyInWords(columns)}`);
  return decodeKey(columns, await canonicalKey(tx, columns, key));
}

async function run<T>(n: number, work: () => PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw notPlanted(n, error);
  }
}

/** What the server said of a statement, without a value. */
function notPlanted(n: number, error: unknown): NotPlanted {
  if (error instanceof NotPlanted) return new NotPlanted(`statement ${n + 1}: ${error.message}`, error.again);
  if (sqlState(error) === '57014') return new NotPlanted(`statement ${n + 1} took longer than 5 s`, true);
  const { code, detail } = sanitize(error);
  const again = code === 'contended' || code === 'database_unavailable';
  return new NotPlanted(`statement ${n + 1}: ${again ? code : 'refused'} (${detail})`, again);
}
