import { sql } from 'drizzle-orm';
import { UsageError } from '../errors.ts';
import { decodeKey } from '../keys/encode.ts';
import { type AskedLocation, isAsked, type Planting } from '../locations/asked.ts';
import { firstError } from '../store/first-error.ts';
import { sanitize } from '../store/sql-errors.ts';
import { changeCycle, endCycle, inMs, putOff } from './change-cycle.ts';
import { countRows } from './count-rows.ts';
import { type CanaryWork, type Cycle, type Finding, markerOf, PLANTING } from './model.ts';
import { NotPlanted } from './not-planted.ts';
import { plantTables } from './plant-tables.ts';
import { readTold } from './read-told.ts';
import { withinTime } from './within-time.ts';

/** What cannot be planted within this time from the begin is a finding. */
const PATIENCE_MS = 120_000;
const PLANTER = 'LETHE_CANARY_DATABASE_URL';

/** Plants the account in its tables. What refuses a statement ends the cycle; what only takes too long has another try. */
export async function plantAccount(work: CanaryWork, cycle: Cycle): Promise<void> {
  try {
    await plantTables(work, cycle);
  } catch (error) {
    const why = error instanceof NotPlanted ? error : refusalOf(work, error);
    if (!why) throw error;
    if (why.again && cycle.ageMs < PATIENCE_MS) return putOff(work, cycle, why.message);
    await endCycle(work, cycle, [{ location: PLANTING, words: why.message }]);
  }
}

/** What another role cannot even begin with. Of Lethe's own database nothing could be noted; of that one it is. */
function refusalOf({ planter, ctx }: CanaryWork, error: unknown): NotPlanted | undefined {
  if (planter === ctx.db) return undefined;
  const first = firstError(error, PLANTER);
  const words = first instanceof UsageError ? (first.problems[0] as string) : sanitize(first).detail;
  return new NotPlanted(words.startsWith(PLANTER) ? words : `${PLANTER}: ${words}`, true);
}

/**
 * Counts what the tables have got, and plants at the partners that can be planted. A partner that is away has other
 * tries. Planting there twice is planting once, so a kill in between does no harm.
 */
export async function plantPartners(work: CanaryWork, cycle: Cycle): Promise<void> {
  const { catalog } = work.ctx;
  const key = decodeKey(catalog.account.key, cycle.accountKey as string);
  const { rows, account } = await countRows(work.ctx.db, catalog, key);
  // Somebody may have asked for its erasure meanwhile; what was planted is not known then.
  const planted: Record<string, number> = account ? Object.fromEntries([...rows].filter(([, n]) => n > 0)) : {};
  const findings: Finding[] = [];
  const away: string[] = [];
  for (const location of catalog.locations.filter(isAsked)) {
    // What is planted after another process has had it erased would stay, and be found.
    if (!(await isPlanting(work, cycle))) return;
    const { kind, items = 1, words } = await plantAt(work, cycle, location);
    if (kind === 'planted') planted[location.name] = items;
    if (kind === 'later') {
      away.push(`${location.name}: ${words}`);
      findings.push({ location: location.name, words: `not planted: ${words}` });
    }
  }
  if (away.length > 0 && cycle.ageMs < PATIENCE_MS) return putOff(work, cycle, away.join('; '));
  await changeCycle(work, cycle, {
    state: 'planted',
    planted,
    findings: findings.length > 0 ? [...(cycle.findings ?? []), ...findings] : cycle.findings,
    plantedAt: inMs(0),
    nextAt: inMs(work.declared.wait),
    attempts: 0,
    lastWords: null,
  });
}

async function isPlanting({ ctx }: CanaryWork, { id }: Cycle): Promise<boolean> {
  const [open] = await ctx.db.execute(sql`
    SELECT FROM lethe.canary WHERE id = ${id} AND state = 'planting' AND finished_at IS NULL`);
  return open !== undefined;
}

async function plantAt(work: CanaryWork, cycle: Cycle, location: AskedLocation): Promise<Planting> {
  const sender = work.senderOf(location);
  if (!sender.plant) return { kind: 'unable', words: 'its kind cannot be planted' };
  const { db, catalog } = work.ctx;
  const key = decodeKey(catalog.account.key, cycle.accountKey as string);
  const of = { ...plantedAccount(work, cycle), ...(await readTold(db, catalog, location, key)) };
  const plant = (signal: AbortSignal) => sender.plant?.(location, of, signal) as Promise<Planting>;
  return withinTime(work.signal, location, plant, (words) => ({ kind: 'later', words }));
}

/** The account as partners are told of it. */
export function plantedAccount({ ctx }: CanaryWork, cycle: Cycle) {
  const columns = ctx.catalog.account.key;
  const key = decodeKey(columns, cycle.accountKey as string);
  const account = Object.fromEntries(columns.map(({ name }, i) => [name, key[i] as string]));
  return { id: cycle.id, account, marker: markerOf(cycle) };
}
