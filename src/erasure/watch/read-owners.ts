import { asc } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { owner } from '../../store/schema.ts';
import { type KeptMeasured, type Measured, type OwnerState, readMeasured } from './measured.ts';

/** An owner as it was seen last, and what its team was told. */
export type OwnerSeen = Measured & {
  name: string;
  state: OwnerState;
  /** Since when it is well, or is not. */
  since: Date;
  /** When it was looked at last: a minute ago or more says that no worker looks. */
  watchedAt: Date;
  /** `at`: null when its team was never told anything. `owed`: a message that has not been taken yet; null: none. */
  told: {
    state: OwnerState;
    at: Date | null;
    owed: { attempts: number; nextAt: Date | null; words: string | null } | null;
  };
};

/** Reads how it stands with every owner, by name. One small table: a page and a scrape may ask for it. */
export async function readOwners(db: Executor): Promise<OwnerSeen[]> {
  const rows = await db.select().from(owner).orderBy(asc(owner.name));
  return rows.map((row) => ({
    ...readMeasured(row.measured as KeptMeasured),
    name: row.name,
    state: row.state as OwnerState,
    since: row.since,
    watchedAt: row.watchedAt,
    told: {
      state: row.toldState as OwnerState,
      at: row.toldAt,
      owed: row.messageId === null ? null : { attempts: row.attempts, nextAt: row.nextAt, words: row.lastWords },
    },
  }));
}
