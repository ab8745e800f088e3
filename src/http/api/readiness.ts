import { sql } from 'drizzle-orm';
import type { Context } from '../../erasure/model/context.ts';
import type { Producers } from '../../jobs/redis/producers.ts';
import { pendingMigrations } from '../../store/migrate.ts';
import { withDeadline } from '../server/deadline.ts';

const DEADLINE_MS = 1_500;
/** How long an answer is shared by all who ask. Probes are open to everybody, and must not wait behind one another. */
export const SHARED_MS = 1_000;

/** What readiness looks at. `working` says of a worker whether it consumes every queue. */
export type Probed = {
  ctx: Pick<Context, 'db' | 'drift'>;
  producers: Pick<Producers, 'refused'>;
  working?: () => boolean;
};

/**
 * Whether this process can do its work. It is `unavailable` without a database that accepts writes and has all
 * migrations. A worker is also `unavailable` while Redis is away, refuses a command that it needs, or gives it nothing
 * to consume. An API without Redis is `degraded`. So is a process whose catalog does not fit the database any more: it
 * accepts requests, and only the erasures that this affects stall. Otherwise all APIs would leave service at once.
 * `migrations` is `unknown` where the database did not say.
 */
export async function readReadiness({ ctx, producers, working }: Probed) {
  const [readOnly, pending, refused] = await Promise.all([
    answerOf(() => isReadOnly(ctx.db)),
    answerOf(() => pendingMigrations(ctx.db)),
    answerOf(() => producers.refused()),
  ]);
  const consuming = working?.();
  const postgres = readOnly === false;
  const redis = refused === undefined ? 'away' : refused.length > 0 ? 'refused' : 'ok';
  const delivers = redis === 'ok';
  const drifted = ctx.drift.problems.length > 0;
  const ready = postgres && pending === 0 && (consuming === undefined || (delivers && consuming));
  const word = (ok: boolean) => (ok ? ('ok' as const) : ('away' as const));
  return {
    status: !ready ? ('unavailable' as const) : delivers && !drifted ? ('ok' as const) : ('degraded' as const),
    postgres: readOnly ? ('read-only' as const) : word(postgres),
    migrations: pending === undefined ? ('unknown' as const) : pending > 0 ? ('pending' as const) : ('ok' as const),
    redis: redis as 'ok' | 'away' | 'refused',
    catalog: drifted ? ('drifted' as const) : ('ok' as const),
    ...(consuming === undefined ? {} : { queues: consuming ? ('ok' as const) : ('not consumed' as const) }),
  };
}

/** A standby, or a database whose sessions must not write by default. */
async function isReadOnly(db: Probed['ctx']['db']): Promise<boolean | undefined> {
  const [row] = await db.execute<{ is: boolean }>(sql`SELECT current_setting('transaction_read_only')::boolean AS is`);
  return row?.is;
}

/** The answer of `probe`, or undefined when there was none in time. */
const answerOf = <T>(probe: () => Promise<T>): Promise<T | undefined> =>
  withDeadline(DEADLINE_MS, probe()).catch(() => undefined);
