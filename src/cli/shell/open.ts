import { sql } from 'drizzle-orm';
import { checkCatalog, ownProblems, readDeadlockTimeout } from '../../catalog/check.ts';
import type { Drift } from '../../catalog/drift.ts';
import type { Declaration } from '../../catalog/live/declared.ts';
import type { Catalog } from '../../catalog/live/types.ts';
import { loadCatalog } from '../../catalog/load.ts';
import { type Config, loadConfig } from '../../config.ts';
import { keepCatalog } from '../../erasure/model/catalog-of.ts';
import type { Context } from '../../erasure/model/context.ts';
import { LetheError, UsageError } from '../../errors.ts';
import { createEnqueue, type Enqueue } from '../../jobs/enqueue.ts';
import { openProducers } from '../../jobs/redis/connection.ts';
import { KINDS } from '../../locations/kinds/registry.ts';
import { createLogger } from '../../logger.ts';
import { type Closable, closeAll, settingsOf } from '../../resources.ts';
import { connect, type Database } from '../../store/client.ts';
import { firstError } from '../../store/first-error.ts';
import { pendingMigrations } from '../../store/migrate.ts';
import type { Terminal } from './terminal.ts';

/** What a command works with. */
export type Session = {
  /** Its catalog throws a UsageError where it does not fit: that must keep nobody from looking at an erasure. */
  ctx: Context;
  config: Config;
  /** Of the check of the catalog. */
  warnings: string[];
  /** Opens the queues for `work`, and says on standard error when Redis is away. */
  withQueues: <T>(work: (enqueue: Enqueue) => Promise<T>) => Promise<T>;
};

/** A database that accepts a connection and then says nothing is as good as none. */
const ANSWER_MS = 1_800;
const REDIS_MS = 1_000;

// Standard output is the answer's. What a command has to say it says itself, in words.
const log = createLogger('silent', 'cli');

/** Opens Postgres for one command and closes it after. Throws UsageErrors for a bad configuration. */
export async function withSession<T>(
  terminal: Terminal,
  work: (session: Session) => Promise<T>,
  role: 'cli' | 'plan' = 'cli',
): Promise<T> {
  const config = loadConfig(role, terminal.env);
  const connection = connect(config.DATABASE_URL, { max: 4, applicationName: 'lethe-cli' });
  const closables: Closable[] = [{ name: 'postgres', close: connection.close }];
  const { db } = connection;
  try {
    await answers(db);
    const own = await ownProblems(db);
    if (own.length > 0) throw new UsageError(own);
    const pending = await pendingMigrations(db);
    if (pending > 0) throw new UsageError([`the database lacks ${pending} migration(s): run lethe migrate`]);
    const fit = await readCatalog(db, config.LETHE_CATALOG);
    const settings = settingsOf(config, await readDeadlockTimeout(db));
    const ctx: Context = {
      db,
      get catalog() {
        return fitting(fit).catalog;
      },
      get declared() {
        return fitting(fit).declared;
      },
      kinds: KINDS,
      pastCatalogs: new Map(),
      get drift() {
        return fitting(fit).drift;
      },
      log,
      settings,
    };
    const withQueues = async <R>(put: (enqueue: Enqueue) => Promise<R>): Promise<R> => {
      const { declared } = fitting(fit);
      await keepCatalog(db, declared);
      const producers = openProducers({ url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX }, log);
      closables.push({ name: 'redis', close: producers.close });
      const isReady = () => producers.redis.status === 'ready';
      for (const end = Date.now() + REDIS_MS; !isReady() && Date.now() < end; ) await pause(20);
      const enqueue = createEnqueue(producers, log, REDIS_MS);
      const result = await put(enqueue).finally(enqueue.settled);
      if (!isReady())
        terminal.err.write('lethe: note: Redis cannot be reached; a worker goes on with it within a minute\n');
      return result;
    };
    return await work({
      ctx,
      config,
      warnings: fit instanceof UsageError ? [] : [...fit.drift.problems, ...fit.warnings],
      withQueues,
    });
  } finally {
    await closeAll(closables, log);
  }
}

/** Throws `database_unavailable` when the database does not answer soon. */
export async function answers(db: Database): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new LetheError('database_unavailable', 'no answer')), ANSWER_MS).unref();
  });
  try {
    await Promise.race([db.execute(sql`SELECT 1`), late]);
  } catch (error) {
    throw firstError(error, 'DATABASE_URL');
  }
}

type Fit = { catalog: Catalog; declared: Declaration; warnings: string[]; drift: Drift };

async function readCatalog(db: Database, file: string): Promise<Fit | UsageError> {
  try {
    const declared = loadCatalog(file);
    return { declared, ...(await checkCatalog(db, declared)) };
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

function fitting(fit: Fit | UsageError): Fit {
  if (fit instanceof UsageError) throw fit;
  return fit;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
