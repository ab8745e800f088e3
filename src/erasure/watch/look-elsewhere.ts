import { sql } from 'drizzle-orm';
import type { DeclaredCanary, DeclaredDataset } from '../../catalog/live/declared.ts';
import type { Retention } from '../../dataset/days.ts';
import { lateOf, readStanding } from '../../dataset/partitions.ts';
import type { Executor } from '../../store/client.ts';
import type { OwnerState } from './measured.ts';

/** What is wrong that is no task: of test data, or of the dataset. */
export type Trouble = { owner: string; state: Exclude<OwnerState, 'well'>; words: string };

/** Test data that is over by no more is not overdue: the process that does it may have been followed by another. */
const GRACE_MS = 5 * 60_000;

const plus = (ms: number) => sql`${ms} * interval '1 millisecond'`;

/**
 * Whether the last test data failed, or the next is overdue. `firstLook`: since when this process watches; where test
 * data was never planted, it is overdue from then on. A clock that was ahead may have written rows: nothing has begun, or
 * has ended, after now.
 */
export async function lookAtCanary(db: Executor, canary: DeclaredCanary, firstLook: Date): Promise<Trouble[]> {
  const { owner, every, wait, within } = canary;
  const cycle = wait + within + GRACE_MS;
  const [row] = await db.execute<{ failed: boolean | null; overdue: boolean }>(sql`
    WITH last AS (SELECT state, CASE WHEN finished_at <= now() THEN finished_at ELSE created_at END AS finished_at
                    FROM lethe.canary WHERE finished_at IS NOT NULL AND created_at <= now()
                   ORDER BY created_at DESC LIMIT 1)
    SELECT (SELECT state = 'failed' FROM last) AS failed,
           coalesce((SELECT finished_at FROM last), ${firstLook.toISOString()}::timestamptz) + ${plus(every + cycle)} < now()
           OR EXISTS (SELECT FROM lethe.canary WHERE finished_at IS NULL AND created_at + ${plus(cycle)} < now()) AS overdue`);
  const found = (words: string): Trouble => ({ owner, state: 'failing', words });
  return [
    ...(row?.failed ? [found('the last test data was not erased as it should be')] : []),
    ...(row?.overdue ? [found('test data is overdue')] : []),
  ];
}

/** Days that are not in the dataset although their time is over: among those that its gauges count as missing. */
export async function lookAtDataset(
  db: Executor,
  { owner, sla }: DeclaredDataset,
  retention: Retention,
): Promise<Trouble[]> {
  const late = lateOf(await readStanding(db, retention), sla);
  const [first] = late;
  if (first === undefined) return [];
  const days = late.length === 1 ? 'a day is' : `${late.length} days are`;
  return [{ owner, state: 'late', words: `${days} missing in the dataset, the first of them ${first}` }];
}
