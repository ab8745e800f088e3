import { LetheError } from '../../errors.ts';

/**
 * Answers `database_unavailable` when `work` takes longer: a database that accepts connections and
 * then says nothing would hold the caller until its own timeout. The work itself is bounded by its
 * statement timeouts and safe to repeat; what has not begun by then should look at the time.
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
