import { z } from 'zod';
import { startDue, sweep } from '../../erasure/upkeep/sweep.ts';
import { backoff, defineJob, KEPT } from '../model/job.ts';
import { windowOrder } from './erasure-advance.ts';

/** A tick that Redis lost is made up for after this time. */
const MISSED_SWEEP_MS = 60_000;

/** Does what is due by the clock. */
export const erasureSweep = defineJob({
  name: 'erasure.sweep',
  queue: 'housekeeping',
  payload: z.strictObject({}),
  options: { ...KEPT, attempts: 3, backoff: backoff(5000) },
  entry: { cron: ({ settings }) => settings.sweepCron },
  due: {
    counted: 'started',
    find: ({ ctx, put }) => startDue(ctx, (d) => put(windowOrder(d)), MISSED_SWEEP_MS),
  },
  quiet: ['contended'],
  failed: () => {},

  run: async ({ ctx, put, metrics }) => {
    const done = await sweep(ctx, (d) => put(windowOrder(d)));
    metrics.sweptAt.setToCurrentTime();
    ctx.log.info(done, 'sweep');
    return done;
  },
});
