import { and, asc, gt, type SQL } from 'drizzle-orm';
import { erasure } from '../../store/schema.ts';
import type { Context } from './context.ts';
import { orLogged } from './or-logged.ts';
import type { Erasure } from './states.ts';

/** Sorts before every id. */
const NIL = '00000000-0000-0000-0000-000000000000';

export type Walk = {
  /** Which erasures get a turn. */
  where: SQL;
  /** What a turn does, for the line about one that failed: `<what> will be tried again`. */
  what: string;
  /** True: this one gets no turn. When it rejects, the walk ends: who cannot ask about one cannot ask about any. */
  skip?: (of: Erasure) => boolean | Promise<boolean>;
  /** Turns that run at the same time. */
  atOnce?: number;
  /** Rows that one query reads. */
  pageRows?: number;
};

/**
 * Gives each erasure its turn, page by page in the order of ids, so that memory is bounded and none comes twice. A turn that
 * fails is logged and keeps no other from its own. Returns how many turns gave something else than null.
 * Rejects when the database is away.
 */
export async function eachErasure(
  ctx: Pick<Context, 'db' | 'log'>,
  { where, what, skip, atOnce = 1, pageRows = 500 }: Walk,
  turn: (of: Erasure) => Promise<unknown>,
): Promise<number> {
  let done = 0;
  const take = async (of: Erasure) => {
    if (await skip?.(of)) return;
    if ((await orLogged(ctx, of.id, what, () => turn(of))) !== null) done += 1;
  };
  for (let after = NIL; ; ) {
    const page = await ctx.db
      .select()
      .from(erasure)
      .where(and(where, gt(erasure.id, after)))
      .orderBy(asc(erasure.id))
      .limit(pageRows);
    for (let i = 0; i < page.length; i += atOnce) await Promise.all(page.slice(i, i + atOnce).map(take));
    const last = page.at(-1);
    if (!last || page.length < pageRows) return done;
    after = last.id;
  }
}
