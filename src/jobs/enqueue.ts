import { and, eq, lte, sql } from 'drizzle-orm';
import type { Dispatch } from '../erasure/model/dispatch.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../store/client.ts';
import { notification } from '../store/schema.ts';
import { CONTRACTS, type JobName, type Payload } from './contracts.ts';
import { addOnce } from './redis/add-once.ts';
import type { Producers } from './redis/connection.ts';

/** The promises never reject. Nobody who answers a request waits for them: `settled` does, before the connections are closed. */
export type Enqueue = {
  dispatch: (dispatch: Dispatch) => Promise<void>;
  /** False when it is not known to have reached Redis. */
  mail: (notificationId: string) => Promise<boolean>;
  /** The call that asks the application to revoke an account's tokens. */
  signOut: (erasureId: string) => Promise<boolean>;
  /** Each mail of an erasure that has not been sent. */
  mailsOf: (erasureId: string) => Promise<void>;
  /** Resolves when all that was asked for until now has ended or was given up. */
  settled: () => Promise<void>;
};

/** The answer that the caller is about to give goes first: nobody who waits for it waits until a job has been put together. */
const answered = () => new Promise<void>((resolve) => setImmediate(resolve));

const job = <N extends JobName>(name: N, data: Payload<N>) => ({
  name,
  queueName: CONTRACTS[name].queue,
  data: CONTRACTS[name].payload.parse(data),
  opts: CONTRACTS[name].options,
});

/**
 * Puts what the domain has decided into the queues. Never throws and never takes longer than
 * `patienceMs`: the decision is committed in Postgres, and what does not reach Redis is created again
 * by reconcile.
 */
export function createEnqueue(producers: Producers, db: Database, log: Logger, patienceMs = 5000): Enqueue {
  const tryOnce = async (what: string, ids: Record<string, unknown>, add: () => Promise<unknown>): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('timeout')), patienceMs);
    });
    try {
      await Promise.race([answered().then(add), timeout]);
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
  /** Nobody may be there to take a rejection, which would end the process. */
  const track = <T>(work: Promise<T>, otherwise: T): Promise<T> => {
    const tracked = work
      .catch((error: unknown) => {
        log.warn({ code: error instanceof Error ? error.name : 'unknown' }, 'not enqueued; reconcile will create it');
        return otherwise;
      })
      .finally(() => unsettled.delete(tracked));
    unsettled.add(tracked);
    return tracked;
  };
  const attempt = (...what: Parameters<typeof tryOnce>) => track(tryOnce(...what), false);

  const mail = (notificationId: string) =>
    attempt('mail', { notificationId }, () =>
      addOnce(producers, producers.queues.mail, notificationId, job('mail.send', { notificationId })),
    );

  const allMails = async (erasureId: string): Promise<void> => {
    let open: { id: string }[] = [];
    await attempt('mails', { erasureId }, async () => {
      open = await db
        .select({ id: notification.id })
        .from(notification)
        // Not one that the provider has put off: it has its own time.
        .where(
          and(
            eq(notification.erasureId, erasureId),
            eq(notification.state, 'pending'),
            lte(notification.nextAt, sql`now() + interval '1 minute'`),
          ),
        );
    });
    for (const { id } of open) await mail(id);
  };

  return {
    dispatch: async (d) => {
      await attempt('window', { erasureId: d.erasureId, step: d.step }, () => {
        const parent = job('erasure.advance', { erasureId: d.erasureId, step: d.step });
        return producers.flow.add({
          ...parent,
          opts: { ...parent.opts, jobId: d.jobId, ...(d.delayMs > 0 ? { delay: d.delayMs } : {}) },
          children: d.chunks.map((c) => {
            const { location, pass, range, rows } = c;
            const words = { location, pass, range, rows };
            const child = job('chunk.erase', { erasureId: d.erasureId, chunkId: c.id, ...words });
            return {
              ...child,
              opts: {
                ...child.opts,
                jobId: c.jobId,
                priority: c.priority,
                ...(c.delayMs > 0 ? { delay: c.delayMs } : {}),
              },
            };
          }),
        });
      });
    },
    mail,
    signOut: (erasureId) =>
      attempt('sign-out', { erasureId }, () =>
        addOnce(producers, producers.queues.partners, erasureId, job('account.sign-out', { erasureId })),
      ),
    mailsOf: (erasureId) => track(allMails(erasureId), undefined),
    settled: async () => {
      await Promise.all(unsettled);
    },
  };
}
