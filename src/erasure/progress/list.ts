import { and, between, desc, eq, inArray, isNotNull, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import { type Erasure, LIVE, type State } from '../model/states.ts';
import { type TasksOf, withTasksOf } from './tasks-of.ts';

export type Filter = {
  state?: State | undefined;
  held?: boolean | undefined;
  /** Not final. */
  live?: boolean | undefined;
  /** Not final although its deadline has passed. */
  overdue?: boolean | undefined;
  /** Of planted test data (its newest), or of anything else. */
  canary?: boolean | undefined;
  /** With a task of this owner that is open, late or failing. */
  tasks?: TasksOf | undefined;
  /** The key as the database prints it. */
  accountKey?: string | undefined;
  /** Digests of the key, one per secret: they find erasures that were scrubbed. */
  accountDigests?: readonly string[] | undefined;
  /** Also those whose id lies between these two and ends so. */
  idPart?: { from: string; to: string; end: string } | undefined;
};

/** `limit`: at most this many. `cursor`: the id of the last one on the page before. */
export type Page = { limit: number; cursor?: string | undefined };

/** Erasures that match, newest first: ids are ordered by time. `nextCursor` is null on the last page. */
export async function listErasures(
  db: Executor,
  filter: Filter,
  page: Page,
): Promise<{ erasures: Erasure[]; nextCursor: string | null }> {
  const found = await selectErasures(db, filter, page);
  const erasures = found.slice(0, page.limit);
  return { erasures, nextCursor: found.length > page.limit ? (erasures.at(-1)?.id ?? null) : null };
}

/** The statement of `listErasures`: one row more than the page, which tells whether there is another. */
export function selectErasures(db: Executor, filter: Filter, page: Page) {
  const where: (SQL | undefined)[] = [
    filter.state ? eq(erasure.state, filter.state) : undefined,
    filter.held === undefined ? undefined : filter.held ? isNotNull(erasure.heldAt) : isNull(erasure.heldAt),
    filter.live || filter.overdue ? inArray(erasure.state, [...LIVE]) : undefined,
    filter.overdue ? lt(erasure.dueAt, sql`now()`) : undefined,
    filter.canary === undefined ? undefined : filter.canary ? ofTestData : eq(erasure.canary, false),
    filter.tasks && withTasksOf(filter.tasks),
    ofAccount(filter),
    page.cursor ? lt(erasure.id, page.cursor) : undefined,
  ];
  return db
    .select()
    .from(erasure)
    .where(and(...where))
    .orderBy(desc(erasure.id))
    .limit(page.limit + 1);
}

/** Erasures of test data are few among many, and no index has them: the table of test data names them. */
const MOST_TEST_DATA = 500;
const ofTestData = sql`${erasure.id} = ANY(ARRAY(
  SELECT erasure_id FROM lethe.canary WHERE erasure_id IS NOT NULL ORDER BY created_at DESC LIMIT ${MOST_TEST_DATA}))`;

function ofAccount({ accountKey, accountDigests, idPart }: Filter): SQL | undefined {
  if (accountKey === undefined && !accountDigests?.length && !idPart) return undefined;
  return or(
    idPart &&
      and(
        between(erasure.id, idPart.from, idPart.to),
        sql`right(${erasure.id}::text, ${idPart.end.length}::int) = ${idPart.end}`,
      ),
    accountKey === undefined ? undefined : eq(erasure.accountKey, accountKey),
    accountDigests?.length ? inArray(erasure.accountDigest, [...accountDigests]) : undefined,
  );
}
