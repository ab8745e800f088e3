import { sql } from 'drizzle-orm';
import { LetheError } from '../errors.ts';
import type { Database, Transaction } from './client.ts';
import { keptText } from './kept-text.ts';
import { beginTogether, failedPrepared, keepStatements, learnFrom } from './prepared.ts';
import { failedBefore, sanitize } from './sql-errors.ts';

/** Limits of one transaction, in milliseconds. */
export type Limits = {
  statementMs: number;
  lockMs: number;
  /** From now to commit, where the server can enforce it (PostgreSQL 17 and newer); elsewhere idle time is capped. */
  totalMs?: number;
};

/** Owner of the kept texts of statements that name no catalog table. */
const TEXTS = {};

const ms = (value: number) => `${Math.max(1, Math.round(value))}ms`;

/** No transaction of ours idles for so long: a process that stands still must not keep its locks. */
const IDLE_MS = 10_000;

/** The total limit of each running transaction, and since when it counts. */
const limited = new WeakMap<Transaction, { since: number; totalMs: number }>();

/** What is to be done once a transaction has committed. */
const followUps = new WeakMap<Transaction, (() => void)[]>();

/** Runs `work` when `tx` has committed; a transaction that is rolled back never happened. */
export function afterCommit(tx: Transaction, work: () => void): void {
  followUps.set(tx, [...(followUps.get(tx) ?? []), work]);
}

/** A setting of the database or the role that takes away what deletions stand on. */
export const NO_TRIGGERS =
  'session_replication_role is replica, so neither foreign keys nor triggers work: reset it for this database and role';

/**
 * Sets the limits for the rest of the running transaction. Local settings only: safe behind a transaction pooler.
 * Overrides what a database or a role sets for its sessions and what would change our meaning: slow plans, commits that
 * a server's crash undoes. Not what the application's triggers see: they run as in the application's own sessions.
 * Returns true when the session is the one that its connection was opened with, as no pooler's is.
 */
export async function setLimits(tx: Transaction, limits: Limits): Promise<boolean> {
  limited.set(tx, { since: performance.now(), totalMs: limits.totalMs ?? Number.POSITIVE_INFINITY });
  const total = limits.totalMs === undefined ? '0' : ms(limits.totalMs);
  const values = {
    statementMs: ms(limits.statementMs),
    lockMs: ms(limits.lockMs),
    idleMs: ms(limits.totalMs ?? IDLE_MS),
    total,
  };
  const statement = keptText(
    TEXTS,
    'limits',
    values,
    (slots) => sql`
      SELECT current_setting('transaction_isolation') AS isolation, pg_backend_pid() AS pid,
             current_setting('session_replication_role') AS replication,
             set_config('row_security', 'off', true),
             set_config('plan_cache_mode', 'auto', true), set_config('jit', 'off', true),
             CASE WHEN current_setting('synchronous_commit') = 'off'
                  THEN set_config('synchronous_commit', 'on', true) END,
             set_config('statement_timeout', ${slots.statementMs}, true),
             set_config('lock_timeout', ${slots.lockMs}, true),
             set_config('idle_in_transaction_session_timeout', ${slots.idleMs}, true),
             CASE WHEN current_setting('server_version_num')::int >= 170000
                  THEN set_config('transaction_timeout', ${slots.total}, true) END`,
  );
  const answer = await tx.execute<{ isolation: string; pid: number; replication: string }>(statement);
  if (answer[0]?.isolation !== ISOLATION) throw new OtherIsolation();
  if (answer[0].replication === 'replica') throw new LetheError('database_error', NO_TRIGGERS);
  return answer[0].pid === answer.state.pid;
}

/**
 * Shortens two of the limits for the rest of the running transaction, whose total goes on counting. Sets what `readBy`
 * does in the same round trip.
 */
export async function limitStatements(
  tx: Transaction,
  limits: { statementMs?: number; lockMs?: number; reads?: 'index' },
): Promise<void> {
  const given = Object.entries({ statement_timeout: limits.statementMs, lock_timeout: limits.lockMs }).filter(
    ([, value]) => value !== undefined,
  );
  const values = Object.fromEntries(given.map(([name, value]) => [name, ms(value as number)]));
  const name = `${Object.keys(values).join(' ')} ${limits.reads}`;
  const statement = keptText(TEXTS, name, values, (slots) => {
    const settings = Object.entries(slots).map(
      ([name, slot]) => sql`set_config(${sql.raw(`'${name}'`)}, ${slot}, true)`,
    );
    return sql`SELECT ${sql.join([...settings, ...(limits.reads ? [INDEX_ONLY] : [])], sql`, `)}`;
  });
  await tx.execute(statement);
}

const ISOLATION = 'read committed';
/**
 * Databases or roles with another default isolation level: each of their transactions asks for the level that it needs.
 */
const strict = new WeakSet<Database>();
class OtherIsolation extends Error {}

/**
 * Thrown in a transaction that relied on what is not true any more. The transaction is rolled back, and runs again at
 * once.
 */
export class Again extends LetheError {
  constructor(what: string) {
    super('contended', what);
  }
}
const MOST_AGAIN = 3;

/**
 * Resolves when all microtasks are done, and before the driver writes. A statement reaches the driver some microtasks
 * after it was started, and the next one must not overtake it there. What has reached the driver by then goes out in
 * one write.
 */
async function microtasks(): Promise<void> {
  // Only a tick that is asked for by a microtask comes after them all.
  await null;
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

/**
 * Resolves when the statements that were started before are on their way: the driver writes in the same phase of the
 * event loop. Await it before a statement that takes long to put together, and that may follow while the server works.
 */
export const written = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Results<T extends readonly (() => Promise<unknown>)[]> = { [K in keyof T]: Awaited<ReturnType<T[K]>> };

/**
 * Starts statements of one transaction in this order without waiting for each one's answer. Returns what they return:
 * one round trip for all of them. For statements that need nothing of one another's results; after one that fails the
 * server refuses the others. Only the last may be a pipeline itself: what follows another one would overtake its second
 * statement. Rejects when all have ended, so that none is still to be sent when the transaction is rolled back. It
 * rejects with the first failure that is a cause. A statement that was started earlier and sends a second one may meet
 * there what a later one has failed already.
 */
export async function pipeline<const T extends readonly (() => Promise<unknown>)[]>(starts: T): Promise<Results<T>> {
  const started: Promise<unknown>[] = [];
  for (const [n, start] of starts.entries()) {
    if (n > 0) await microtasks();
    // A statement of Drizzle's is sent each time that somebody asks for its result: here once.
    const promise = (async () => start())();
    // Its failure is thrown below; until then it must not count as one that nobody takes.
    promise.catch(() => {});
    started.push(promise);
  }
  const ended = await Promise.allSettled(started);
  const failed = ended.filter((e) => e.status === 'rejected');
  if (failed.length > 0) throw (failed.find((e) => !failedBefore(e.reason)) ?? failed[0])?.reason;
  return ended.map((e) => (e as PromiseFulfilledResult<unknown>).value) as Results<T>;
}

const INDEX_ONLY = sql.raw("set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)");

/**
 * How the planner reads the application's tables for the rest of the transaction. Lethe knows more than the planner's
 * statistics, which count rows that have just been deleted until the next ANALYZE. `pages`: many rows in the order of
 * their pages, gathered from an index before (a bitmap). `index`: hardly any rows are left. The foreign keys' own
 * statements then walk the index, too, and it passes over entries that are known to be dead.
 */
export async function readBy(tx: Transaction, reads: 'pages' | 'index'): Promise<void> {
  await tx.execute(reads === 'pages' ? sql`SET LOCAL enable_indexscan = off` : sql`SELECT ${INDEX_ONLY}`);
}

/**
 * Runs `work` in a READ COMMITTED transaction with limits. `row_security = off` turns a policy that
 * would hide rows into an error: filtered, a DELETE reports 0 rows while the rows stand there.
 * With `prepared` its statements are kept, see `keepStatements`.
 */
export async function transaction<T>(
  db: Database,
  limits: Limits,
  work: (tx: Transaction) => Promise<T>,
  { prepared = false, times = 0 } = {},
): Promise<T> {
  try {
    return await attempt(db, limits, work, prepared);
  } catch (error) {
    if (error instanceof Again) {
      if (times >= MOST_AGAIN) throw error;
      return await transaction(db, limits, work, { prepared, times: times + 1 });
    }
    if (error instanceof OtherIsolation && !strict.has(db)) {
      // Asking for the level costs every transaction a round trip; almost everywhere it is the default.
      strict.add(db);
    } else if (!prepared || !failedPrepared(db, error)) throw error;
    return await attempt(db, limits, work, false);
  }
}

async function attempt<T>(
  db: Database,
  limits: Limits,
  work: (tx: Transaction) => Promise<T>,
  prepared: boolean,
): Promise<T> {
  let running: Transaction | undefined;
  let working: Promise<T> | undefined;
  try {
    const begin = () =>
      db.transaction(
        (tx) => {
          running = tx;
          if (prepared) keepStatements(tx);
          // The limits are on their way before the first statement, whose answer need not wait for theirs.
          working = pipeline([() => setLimits(tx, limits), () => work(tx)]).then(([direct, result]) => {
            learnFrom(db, direct);
            return result;
          });
          return working;
        },
        strict.has(db) ? { isolationLevel: ISOLATION } : undefined,
      );
    const result = await (prepared ? beginTogether(db, begin) : begin());
    for (const follow of (running && followUps.get(running)) ?? []) follow();
    return result;
  } catch (error) {
    // Where the server has ended the session (a time limit, a restart), the driver reports first that the connection is
    // closed. The error that says why is the one that the work met.
    const cause = (working && (await rejectionOf(working))) ?? error;
    throw running && wasCutOff(running, cause)
      ? new LetheError('contended', 'ended by the server at its time limit')
      : cause;
  }
}

/** The work follows its connection at once; a statement that the driver never answers must not hold us. */
const SETTLE_MS = 250;

/** Why `work` was rejected; undefined when it was not, or is not settled soon. */
async function rejectionOf(work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), SETTLE_MS);
  });
  const reason = work.then(
    () => undefined,
    (error: unknown) => error,
  );
  return Promise.race([reason, late]).finally(() => clearTimeout(timer));
}

/**
 * True when a connection was lost after the transaction's total limit. The server says 25P04 before it
 * closes, but a statement that is on its way then makes the network drop what it said.
 */
function wasCutOff(tx: Transaction, error: unknown): boolean {
  const limit = limited.get(tx);
  if (!limit || performance.now() - limit.since < 0.9 * limit.totalMs) return false;
  return sanitize(error).code === 'database_unavailable';
}
