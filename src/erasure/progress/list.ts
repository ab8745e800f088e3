import { and, between, desc, eq, inArray, isNotNull, isNull, lt, or, type SQL, sql } from 'drizzle-orm';
import type { Executor } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import { type Erasure, LIVE, type State } from '../model/states.ts';

export type Filter = {
  state?: State | undefined;
  held?: boolean | undefined;
  /** Not final. */
  live?: boolean | undefined;
  /** Not final although its deadline has passed. */
  overdue?: boolean | undefined;
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
