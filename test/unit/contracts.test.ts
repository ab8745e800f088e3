import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ERRORS } from '../../src/errors.ts';
import { readPayload } from '../../src/jobs/handlers.ts';
import { findJob, JOBS } from '../../src/jobs/list/index.ts';
import { type Contract, defineJob, type Job } from '../../src/jobs/model/job.ts';
import { QUEUES } from '../../src/jobs/redis/queues.ts';

/**
 * Payloads as the version before this one adds them. Jobs wait in Redis while a deployment goes on: a
 * version that refuses one of these would fail work that was fine. Only a later version may drop a line.
 */
const BEFORE = [
  ['erasure.advance', { erasureId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10', step: 7 }],
  ['chunk.erase', { erasureId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10', chunkId: 51 }],
  ['account.sign-out', { erasureId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10' }],
  ['mail.send', { notificationId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10' }],
  ['erasure.sweep', {}],
] as const;

/** Where the version before adds them and looks for them, and how often it tries. */
const QUEUES_BEFORE = {
  'erasure.advance': ['erasures', 10, 500],
  'chunk.erase': ['chunks', 5, 500],
  'account.sign-out': ['partners', 6, 500],
  'mail.send': ['mail', 6, 1000],
  'erasure.sweep': ['housekeeping', 3, 5000],
} as const;

const jobOf = (name: string) => findJob(name) as Job;
const all = JOBS.map((job): [string, Job] => [job.name, job]);

describe('jobs of the version before', () => {
  it.each(BEFORE)('%s is read as it was added', (name, payload) => {
    expect(jobOf(name).payload.parse(payload)).toEqual(payload);
  });

  it.each(Object.entries(QUEUES_BEFORE))('%s waits in a queue that this version consumes', (name, expected) => {
    const [queue, attempts, delay] = expected;
    expect(QUEUES).toContain(queue);
    expect(jobOf(name).queue).toBe(queue);
    expect(jobOf(name).options).toEqual({
      attempts,
      backoff: { type: 'exponential', delay, jitter: 0.5 },
      removeOnComplete: { age: 3600, count: 1000 },
      removeOnFail: { age: 7 * 86_400, count: 1000 },
      ...(name === 'chunk.erase' ? { ignoreDependencyOnFailure: true } : {}),
    });
  });
});

describe('jobs of the next version', () => {
  it.each(BEFORE)('%s is read without the fields that this version does not know', (name, payload) => {
    expect(readPayload(jobOf(name), { ...payload, hint: 'next' })).toEqual(payload);
    expect(readPayload(jobOf(name), name === 'erasure.sweep' ? 'nothing' : { hint: 'next' })).toBeNull();
  });
});

describe('every job', () => {
  it.each(all)('%s refuses what it does not know: personal data could ride along', (_, job) => {
    expect(job.payload.safeParse({ email: 'somebody@example.com' }).success).toBe(false);
  });

  it('has a file of its name in the list, and each file is listed', () => {
    const files = readdirSync('src/jobs/list').filter((file) => file !== 'index.ts');
    expect(all.map(([name]) => `${name.replace('.', '-')}.ts`).sort()).toEqual(files.sort());
  });

  it('has a queue, and each queue has a job', () => {
    expect([...new Set(JOBS.map((job) => job.queue))].sort()).toEqual([...QUEUES].sort());
  });

  it.each(all)('%s is found when Redis has lost it, by itself or by another that is', (name, job) => {
    for (const by of [job.due, job.entry]) {
      const finder = 'with' in by ? findJob(by.with) : job;
      expect(finder && 'find' in finder.due, name).toBe(true);
    }
  });

  it('counts what is found in words of its own', () => {
    const words = JOBS.flatMap(({ due }) => ('find' in due ? [due.counted] : []));
    expect(words).toEqual([...new Set(words)]);
  });

  it.each(all)('%s is quiet only about what it tries again', (_, job) => {
    expect(job.quiet.map((code) => ERRORS[code].retry)).toEqual(job.quiet.map(() => 'now'));
    expect(job.quiet).toContain('contended');
  });

  it('does not compile without what reconcile, the log and the metrics ask of it', () => {
    const contract = {
      name: 'some.job',
      queue: 'mail',
      payload: z.strictObject({}),
      options: {},
    } as const satisfies Contract;
    const run = async () => {};
    const entry = { cron: () => '0 * * * *' };
    const due = { with: 'erasure.sweep' };
    const failed = () => {};
    // @ts-expect-error: `due` is missing.
    defineJob({ ...contract, entry, failed, quiet: [], run });
    // @ts-expect-error: `quiet` is missing.
    defineJob({ ...contract, entry, due, failed, run });
    // @ts-expect-error: `failed` is missing.
    defineJob({ ...contract, entry, due, quiet: [], run });
    // @ts-expect-error: `run` is missing.
    defineJob({ ...contract, entry, due, failed, quiet: [] });
    // @ts-expect-error: `entry` is missing.
    defineJob({ ...contract, due, failed, quiet: [], run });
    // @ts-expect-error: no error has this code.
    defineJob({ ...contract, entry, due, failed, quiet: ['tired'], run });
    expect(findJob('some.job')).toBeUndefined();
  });
});
