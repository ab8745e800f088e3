import { LetheError } from '../../errors.ts';

/**
 * Throws `database_unavailable` when `work` takes longer than `ms`. Otherwise a database that accepts connections and
 * then says nothing would keep the caller waiting until its own timeout. The work goes on, bounded by its statement
 * timeouts, and is safe to repeat.
 */
export async function withDeadline<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new LetheError(
            'database_unavailable',
            `the database did not answer within ${ms / 1000} s: it is busy, locked or away; try again`,
          ),
        ),
      ms,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
