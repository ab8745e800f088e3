import { asc, getTableColumns, sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { owner } from '../../store/schema.ts';
import { type KeptMeasured, type Measured, type OwnerState, readMeasured } from './measured.ts';

/** An owner as it was seen last, and what its team was told. */
export type OwnerSeen = Measured & {
  name: string;
  state: OwnerState;
  /** Since when it is well, or is not. */
  since: Date;
  /** When it was looked at last, and how long ago by the database's clock: minutes say that no worker looks. */
  watchedAt: Date;
  seenMsAgo: number;
  /** `at`: null when its team was never told anything. `owed`: a message that has not been taken yet; null: none. */
  told: {
    state: OwnerState;
    at: Date | null;
    owed: { attempts: number; nextAt: Date | null; words: string | null } | null;
  };
};

/** Reads how it stands with every owner, by name. One small table: a page and a scrape may ask for it. */
export async function readOwners(db: Executor): Promise<OwnerSeen[]> {
  const seenMsAgo = sql<number>`(extract(epoch FROM now() - ${owner.watchedAt}) * 1000)::float8`;
  const rows = await db
    .select({ ...getTableColumns(owner), seenMsAgo })
    .from(owner)
    .orderBy(asc(owner.name));
  return rows.map((row) => ({
    ...readMeasured(row.measured as KeptMeasured),
    name: row.name,
    state: row.state as OwnerState,
    since: row.since,
    watchedAt: row.watchedAt,
    seenMsAgo: row.seenMsAgo,
    told: {
      state: row.toldState as OwnerState,
      at: row.toldAt,
      owed: row.messageId === null ? null : { attempts: row.attempts, nextAt: row.nextAt, words: row.lastWords },
    },
  }));
}
