import { sanitize } from '../../store/sql-errors.ts';
import type { Context } from './context.ts';

/**
 * Runs one erasure's turn of a loop over many. Its failure is logged and null: one row that somebody
 * has locked must not keep all the others from their turn. Rejects when the database is away.
 */
export async function orLogged<T>(
  ctx: Pick<Context, 'log'>,
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
