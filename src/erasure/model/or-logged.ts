import { sanitize } from '../../store/sql-errors.ts';
import type { Context } from './context.ts';

/** Sorts before every id: where paging begins. */
export const NIL = '00000000-0000-0000-0000-000000000000';

/**
 * Runs one erasure's turn of a loop over many. Its failure is logged and null: one row that somebody
 * holds a lock on must not keep all the others from their turn.
 */
export async function orLogged<T>(
  ctx: Context,
  erasureId: string,
  what: string,
  turn: () => Promise<T>,
): Promise<T | null> {
  try {
    return await turn();
  } catch (error) {
    const { code, detail } = sanitize(error);
    if (code === 'database_unavailable') throw error;
    ctx.log.warn({ erasureId, code, detail }, `${what} will be tried again`);
    return null;
  }
}
