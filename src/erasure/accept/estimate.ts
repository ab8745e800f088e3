import { sql } from 'drizzle-orm';
import { ACCOUNT_OWNER } from '../../catalog/live/owners.ts';
import type { AccountTable, Location } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import { encodeKey } from '../../keys/encode.ts';
import type { KeyValue } from '../../keys/types.ts';
import { findAccount } from '../../locations/account/row.ts';
import type { Estimated, InTheWay } from '../../locations/kind.ts';
import { byCarrier, outlives } from '../../locations/kinds/ask.ts';
import { currentSlots } from '../../pace/current-pace.ts';
import { nextSweep } from '../../settings/sweep-times.ts';
import { readClock } from '../../store/clock.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Erasure, findLive } from '../model/states.ts';
import { predictMs, type Rates, readRates, rowLimit } from '../model/throughput.ts';

/** What one location holds of an account, and what deleting that takes. */
export type LocationEstimate = {
  name: string;
  owner: string;
  action: string;
  /** 0 is erased first; the account's own row comes last. */
  stage: number;
  /**
   * `request`: by the accepting transaction, whenever the rest starts. `first` and `last`: a partner, which is asked before
   * anything is deleted, or when the account is gone.
   */
  when: 'request' | 'start' | 'first' | 'last';
  /** Null when they could not be counted within the time limit, and for partners: nobody can look there. */
  rows: number | null;
  chunks: number | null;
  /** Null when it is not measured yet, or not counted. */
  estimatedMs: number | null;
};

/** What would happen to an account. `mode` and `startsAt` are null where an erasure is live: asking again returns it. */
export type Estimate = {
  accountId: string;
  erasure: Erasure | null;
  mode: 'immediate' | 'scheduled' | null;
  startsAt: Date | null;
  /** The application's own column says that the account must be kept. */
  onHold: boolean;
  rows: number | null;
  estimatedMs: number | null;
  /** In the order in which they are erased. */
  locations: LocationEstimate[];
  /** Data of others that depends on the account's: with some of it an erasure stops before anything is deleted. */
  inTheWay: InTheWay[];
};

type Counted = Estimated & {
  /** `early` is what only partners have. */
  location: Pick<Location, 'name' | 'owner' | 'action' | 'stage' | 'atRequest'> & { early?: boolean };
};
type Speed = { rates: Rates; slots: number; chunkRows: number };

/** For all kinds to look for what would be in the way. */
const LOOK_MS = 60_000;
const READING = { statementMs: 5_000, lockMs: 2_000 } as const;

/**
 * Counts what an account owns and says what a request would do now. Changes nothing: its transactions
 * are READ ONLY. Throws `not_found` for an unknown account.
 */
export async function estimateErasure(ctx: Context, key: KeyValue): Promise<Estimate> {
  const { catalog, settings } = ctx;
  const seen = await transaction(ctx.db, READING, async (tx) => {
    await tx.execute(sql`SET TRANSACTION READ ONLY`);
    const account = await findAccount(tx, catalog.account, key);
    const erasure = await findLive(
      tx,
      account ? encodeKey(account.key) : await canonicalKey(tx, catalog.account.key, key),
    );
    return { account, erasure, rates: await readRates(tx), now: await readClock(tx) };
  });
  if (!seen.account && !seen.erasure) throw new LetheError('not_found', 'there is no such account');
  const accountKey = seen.account?.key ?? key;
  const counted = await countAll(ctx, accountKey);
  const speed = { rates: seen.rates, slots: await currentSlots(ctx), chunkRows: settings.chunkRows };
  const onHold = seen.account?.onHold ?? false;
  const small =
    !onHold &&
    isSmall(
      counted.filter(({ location }) => !outlives(ctx.kinds, location)),
      catalog.account.threshold,
      seen.rates,
    );
  const startsAt = small
    ? seen.now
    : nextSweep(settings.sweepCron, new Date(seen.now.getTime() + settings.undoWindowMs));
  return {
    accountId: seen.erasure?.accountKey ?? encodeKey(accountKey),
    erasure: seen.erasure,
    mode: seen.erasure ? null : small ? 'immediate' : 'scheduled',
    startsAt: seen.erasure ? null : startsAt,
    onHold,
    inTheWay: seen.account ? await findInTheWay(ctx, accountKey) : [],
    ...estimate(counted, catalog.account.table, seen.account ? 1 : 0, speed),
  };
}

/** What each location holds, in the order of the catalog. */
async function countAll(ctx: Context, account: KeyValue): Promise<(Counted & { location: Location })[]> {
  const estimates = new Map<string, Estimated>();
  for (const { carrier, locations } of byCarrier(ctx.kinds, ctx.catalog.locations)) {
    const each = await carrier.estimate(ctx, locations, account);
    for (const [n, { name }] of locations.entries()) estimates.set(name, each[n] as Estimated);
  }
  return ctx.catalog.locations.map((location) => ({ location, ...(estimates.get(location.name) as Estimated) }));
}

async function findInTheWay(ctx: Context, account: KeyValue): Promise<InTheWay[]> {
  const found: InTheWay[] = [];
  for (const kind of Object.values(ctx.kinds)) found.push(...(await kind.findInTheWay(ctx, account, LOOK_MS)));
  return found;
}

/**
 * Whether a request would delete these rows at once: fewer than the threshold in every location, or less work than it
 * allows. The same as the request's own probe, which stops counting at the limit.
 */
export function isSmall(
  counted: readonly Pick<Counted, 'location' | 'rows'>[],
  threshold: AccountTable['threshold'],
  rates: Rates,
): boolean {
  let left = typeof threshold === 'number' ? 0 : threshold.ms;
  for (const { location, rows } of counted) {
    const rate = typeof threshold === 'number' ? undefined : rates.get(location.name);
    const limit = rowLimit(threshold, rate === undefined ? undefined : rate * left);
    if (rows === null || rows >= limit) return false;
    if (rate !== undefined) left -= rows / rate;
  }
  return true;
}

/** Chunks and time for each location and for all of them; the account's own row is the last one. */
export function estimate(
  counted: readonly Counted[],
  accountTable: string,
  accountRows: number,
  speed: Speed,
): Pick<Estimate, 'rows' | 'estimatedMs' | 'locations'> {
  const { rates, slots, chunkRows } = speed;
  const predict = (location: string, rows: number | null, jobs: { chunks?: number; serial?: boolean }) =>
    rows === null
      ? null
      : predictMs([{ location, rows, rate: rates.get(location) ?? null, ...jobs }], slots, chunkRows);
  const locations = counted.map(
    ({ location: { name, owner, action, stage, atRequest, early }, rows, chunks }): LocationEstimate => {
      if (early !== undefined)
        return {
          name,
          owner,
          action,
          stage,
          rows: null,
          when: early ? 'first' : 'last',
          chunks: null,
          estimatedMs: null,
        };
      const shared = { name, owner, action, stage, rows };
      // The accepting transaction deletes these in one statement: no chunks, and no speed that was measured.
      return atRequest
        ? { ...shared, when: 'request', chunks: 0, estimatedMs: null }
        : {
            ...shared,
            when: 'start',
            chunks,
            estimatedMs: predict(name, rows, chunks === null ? {} : { chunks }),
          };
    },
  );
  const inside = locations.filter((l) => l.when === 'request' || l.when === 'start');
  const later = inside.filter((l) => l.when === 'start');
  const planned = sum(later.map((l) => l.rows));
  const account: LocationEstimate = {
    name: accountTable,
    owner: ACCOUNT_OWNER,
    action: 'delete',
    stage: Math.max(-1, ...inside.map((l) => l.stage)) + 1,
    when: 'start',
    rows: accountRows,
    chunks: 0,
    // The last transaction is one job, and takes time for all the rows that were there.
    estimatedMs: predict(accountTable, planned, { serial: true }),
  };
  return {
    rows: sum([...inside, account].map((l) => l.rows)),
    estimatedMs: sum([...later, account].map((l) => l.estimatedMs)),
    locations: [
      ...locations.filter((l) => l.when === 'first'),
      ...inside,
      account,
      ...locations.filter((l) => l.when === 'last'),
    ],
  };
}

/** Null as soon as one of them is unknown. */
const sum = (numbers: readonly (number | null)[]): number | null =>
  numbers.reduce<number | null>((a, b) => (a === null || b === null ? null : a + b), 0);
