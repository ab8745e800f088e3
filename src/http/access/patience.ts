import type { Logger } from '../../logger.ts';

/** How long a request waits for Redis in all. Then it goes on without Redis. Tests that count exactly wait longer. */
export const patience = { ms: 100 };
/** After so many late answers in a row Redis counts as away. */
const MOST_LATE = 3;
const REST_MS = 1_000;

/** Gives what Redis says, or undefined when it is away or slow. */
export type AskRedis = <T>(ask: () => Promise<T>, deadline: number) => Promise<T | undefined>;

/** When the request that begins now has waited long enough. */
export const deadlineFromNow = () => performance.now() + patience.ms;

/**
 * Asks Redis with little patience. While Redis is away it is asked once a second only. A command for each request would
 * stay in memory until it times out. That `what` is missing then is logged once an outage, not once a request.
 */
export function createAskRedis(log: Pick<Logger, 'warn' | 'info'>, what: string): AskRedis {
  let away = false;
  let late = 0;
  let restUntil = 0;
  const failed = (code: string, sure: boolean) => {
    late += 1;
    if (!sure && late < MOST_LATE) return;
    restUntil = performance.now() + REST_MS;
    if (!away) log.warn({ code }, `${what}: Redis does not answer`);
    away = true;
  };
  return async (ask, deadline) => {
    if (performance.now() < restUntil) return undefined;
    // The next requests rest while this one tries.
    if (away) restUntil = performance.now() + REST_MS;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<typeof LATE>((resolve) => {
      // Read first what has arrived meanwhile: a process that was busy itself must not blame Redis.
      timer = setTimeout(() => setImmediate(() => resolve(LATE)), Math.max(0, deadline - performance.now()));
    });
    try {
      const answer = await Promise.race([ask(), timeout]);
      if (answer === LATE) {
        failed('timeout', false);
        return undefined;
      }
      if (away) log.info(`${what}: Redis answers again`);
      away = false;
      late = 0;
      restUntil = 0;
      return answer;
    } catch (error) {
      failed((error as NodeJS.ErrnoException).code ?? (error as Error).name, true);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  };
}

const LATE = Symbol('late');
