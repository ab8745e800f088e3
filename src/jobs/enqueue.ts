import type { Logger } from '../logger.ts';
import { JOBS } from './list/index.ts';
import type { Order, Put } from './model/job.ts';
import type { Producers } from './redis/producers.ts';

/** The jobs that a decision becomes, each with the name of its method here. */
type Entered = Extract<(typeof JOBS)[number], { entry: { as: string } }>;

/**
 * Puts what the domain has decided into the queues. It has a method for each job of the list that says `as`.
 * `dispatch` takes a window, `mail` the id of a notification, `revokeTokens` that of an erasure. The promises never reject; they give
 * false for what is not known to have reached Redis. Nobody who answers a request waits for them: `settled` does, before
 * the connections are closed.
 */
export type Enqueue = {
  [J in Entered as J['entry']['as']]: (subject: Parameters<J['entry']['order']>[0]) => Promise<boolean>;
} & {
  put: Put;
  /** Resolves when all that was asked for until now has ended or was given up. */
  settled: () => Promise<void>;
};

/** The answer that the caller is about to give goes first: nobody who waits for it waits until a job has been put together. */
const answered = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Opens the way into the queues. It takes no longer than `patienceMs` for an order: the decision is committed in
 * Postgres, and reconcile creates again what does not reach Redis.
 */
export function createEnqueue(producers: Producers, log: Logger, patienceMs = 5000): Enqueue {
  const tryOnce = async ({ what, ids, add }: Order): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('timeout')), patienceMs);
    });
    try {
      await Promise.race([answered().then(() => add(producers)), timeout]);
      return true;
    } catch (error) {
      producers.mendConnection(error);
      log.warn(
        { ...ids, code: (error as NodeJS.ErrnoException).code ?? (error as Error).name },
        `${what} did not reach Redis; reconcile will create it`,
      );
      return false;
    } finally {
      clearTimeout(timer);
    }
  };

  const unsettled = new Set<Promise<unknown>>();
  const put: Put = (order) => {
    const tracked = tryOnce(order)
      // Nobody may be there to take a rejection, which would end the process.
      .catch((error: unknown) => {
        log.warn({ code: error instanceof Error ? error.name : 'unknown' }, 'not enqueued; reconcile will create it');
        return false;
      })
      .finally(() => unsettled.delete(tracked));
    unsettled.add(tracked);
    return tracked;
  };

  const methods = JOBS.flatMap(({ entry }) =>
    'as' in entry ? [[entry.as, (subject: never) => put(entry.order(subject))] as const] : [],
  );
  return {
    ...Object.fromEntries(methods),
    put,
    settled: async () => {
      await Promise.all(unsettled);
    },
  } as Enqueue;
}
