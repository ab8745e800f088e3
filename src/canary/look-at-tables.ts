import { sql } from 'drizzle-orm';
import { decodeKey } from '../keys/encode.ts';
import { countRows } from './count-rows.ts';
import type { CanaryWork, Cycle, Finding } from './model.ts';

/** `own`: nobody had asked for its erasure before it was counted what is there. */
type Counted = { location: string; kind: string; rows: number; own: boolean };

/**
 * What is wrong in the account's own database once its erasure says that it is complete. Rows or the account are still
 * there, or the ledger counts other rows than were there before.
 */
export async function lookAtTables(work: CanaryWork, cycle: Cycle): Promise<Finding[]> {
  const { db, catalog } = work.ctx;
  const { rows, unseen, account } = await countRows(
    db,
    catalog,
    decodeKey(catalog.account.key, cycle.accountKey as string),
  );
  const kept = new Set(catalog.tables.filter(({ action }) => action !== 'delete').map(({ name }) => name));
  const left = [...rows].filter(([name, n]) => n > 0 && !kept.has(name));
  return [
    ...left.map(([location, n]) => ({ location, words: `${inRows(n)} still there` })),
    ...(account ? [{ location: catalog.account.table, words: "the account's own row is still there" }] : []),
    ...[...unseen].map(([location, words]) => ({ location, words: `could not be looked at: ${words}` })),
    ...(await compareLedger(work, cycle, kept)),
  ];
}

const inRows = (n: number): string => (n === 1 ? '1 row is' : `${n} rows are`);

async function compareLedger({ ctx }: CanaryWork, cycle: Cycle, kept: ReadonlySet<string>): Promise<Finding[]> {
  // One that was undone has deleted the account's sessions: all that were asked for count together.
  const counted = await ctx.db.execute<Counted>(sql`
    SELECT t.location, max(t.kind) AS kind, coalesce(sum(c.rows_deleted), 0)::int AS rows,
           min(e.requested_at) >= ${cycle.requestedAt?.toISOString() ?? null}::timestamptz AS own
      FROM lethe.erasure e JOIN lethe.task t ON t.erasure_id = e.id LEFT JOIN lethe.chunk c ON c.task_id = t.id
     WHERE e.account_key = ${cycle.accountKey} AND e.requested_at >= ${cycle.createdAt.toISOString()}::timestamptz
     GROUP BY t.location ORDER BY t.location`);
  const byName = new Map(counted.map((task) => [task.location, task]));
  const findings: Finding[] = [];
  for (const [location, planted] of Object.entries(cycle.planted ?? {})) {
    const task = byName.get(location);
    if (kept.has(location)) continue;
    if (!task) findings.push({ location, words: 'planted there, and the erasure has no task for it' });
    else if (task.kind !== 'table') {
      if (task.rows === 0 && planted > 0)
        findings.push({ location, words: 'the ledger counts nothing, and it was planted there' });
    } else if (task.rows < planted || (task.own && task.rows > planted))
      findings.push({ location, words: `the ledger counts ${task.rows}, and ${planted} were there` });
  }
  for (const { location, kind, rows, own } of counted) {
    if (kind === 'account' && rows !== 1) findings.push({ location, words: `the ledger counts ${rows} accounts` });
    const nothing = own && kind === 'table' && rows > 0 && !cycle.planted?.[location];
    if (nothing) findings.push({ location, words: `the ledger counts ${rows}, and nothing was there` });
  }
  return findings;
}
