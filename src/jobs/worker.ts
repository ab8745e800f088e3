import { setTimeout as pause } from 'node:timers/promises';
import { type WorkerOptions as BullOptions, type Job, Worker } from 'bullmq';
import type { RedisClient } from '../redis/open.ts';
import { handle } from './handlers.ts';
import type { Work } from './model/job.ts';
import { perWorker, QUEUES } from './redis/queues.ts';

export type WorkerOptions = { prefix: string; concurrency: number };
export type Workers = {
  stop: (deadlineMs: number) => Promise<boolean>;
  /** True while every queue is being consumed: the newest attempt to fetch a job succeeded. */
  working: () => boolean;
};

/** A killed worker's jobs are taken over after about the lock's time; ours are safe to repeat however often. */
const LOCKS = { lockDuration: 10_000, stalledInterval: 3_000, maxStalledCount: 1_000 };

/** Between two attempts to fetch a job when Redis refuses it. */
const REFUSED_MS = 1_000;

/**
 * BullMQ fetches again at once when Redis answers with an error: no right to a command, no memory, a replica. It does so as
 * fast as the processor allows, for ever. This one waits.
 */
class PatientWorker extends Worker {
  readonly #stopping: AbortSignal;
  fetches = false;

  constructor(queue: string, process: (job: Job) => Promise<unknown>, options: BullOptions, stopping: AbortSignal) {
    super(queue, process, options);
    this.#stopping = stopping;
    // An answer that refuses anything; a connection that is lost says nothing about the next fetch.
    this.on('error', (error) => {
      if (error.name === 'ReplyError') this.fetches = false;
    });
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    try {
      const job = await super.moveToActive(token, name);
      this.fetches = true;
      return job;
    } catch (error) {
      await pause(REFUSED_MS, undefined, { signal: this.#stopping }).catch(() => {});
      throw error;
    }
  }
}

/** Starts a worker per queue. Slices are told to stop when this process shuts down or has lost the job's lock. */
export function startWorkers(work: Work, connection: RedisClient, options: WorkerOptions): Workers {
  const stopping = new AbortController();
  const running = new Map<string, AbortController>();
  const concurrency = perWorker(options.concurrency);

  const workers = QUEUES.map((queue) => {
    const process = async (job: Job, _token?: string, signal?: AbortSignal) => {
      const lost = new AbortController();
      const key = `${queue}/${job.id}`;
      running.set(key, lost);
      try {
        return await handle(work, job, AbortSignal.any([stopping.signal, lost.signal, ...(signal ? [signal] : [])]));
      } finally {
        running.delete(key);
      }
    };
    const settings = {
      connection,
      prefix: options.prefix,
      concurrency: concurrency[queue],
      skipVersionCheck: true,
      ...LOCKS,
    };
    const worker = new PatientWorker(queue, process, settings, stopping.signal);
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) running.get(`${queue}/${id}`)?.abort();
    });
    worker.on('error', (error) =>
      work.ctx.log.debug({ queue, code: (error as NodeJS.ErrnoException).code ?? error.name }, 'worker connection'),
    );
    worker.on('failed', (job, error) =>
      work.ctx.log.debug({ queue, jobId: job?.id, error: error.message }, 'attempt failed'),
    );
    return worker;
  });

  return {
    working: () => !stopping.signal.aborted && workers.every((w) => w.isRunning() && w.fetches),
    /** Hands running chunks back after their slice. False when the deadline passed: the process may exit, nothing is lost. */
    stop: async (deadlineMs) => {
      stopping.abort();
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), deadlineMs);
      });
      // close() never resolves while Redis is away.
      const closed = Promise.all(workers.map((w) => w.close())).then(() => true as const);
      const clean = await Promise.race([closed.catch(() => false as const), deadline]);
      clearTimeout(timer);
      return clean;
    },
  };
}
