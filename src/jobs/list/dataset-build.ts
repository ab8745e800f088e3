import { z } from 'zod';
import { buildDue } from '../../dataset/build-due.ts';
import { claimMissed, recordRun } from '../../dataset/runs.ts';
import { lastTick } from '../../settings/sweep-times.ts';
import { readClock } from '../../store/clock.ts';
import { backoff, defineJob, KEPT } from '../model/job.ts';
import { once } from '../model/order.ts';

const contract = {
  name: 'dataset.build',
  queue: 'dataset',
  payload: z.strictObject({}),
  options: { ...KEPT, attempts: 3, backoff: backoff(60_000) },
} as const;

/** Builds the days of the dataset that are not there, or not as they should be. */
export const datasetBuild = defineJob({
  ...contract,
  entry: { cron: ({ settings, declared }) => (declared.dataset ? settings.datasetCron : null) },
  due: {
    counted: 'datasets',
    find: async ({ ctx, put }) => {
      if (!ctx.declared.dataset) return 0;
      const tick = lastTick(ctx.settings.datasetCron, await readClock(ctx.db));
      if (!(await claimMissed(ctx.db, tick))) return 0;
      return Number(await put(once(contract, { what: 'dataset', subject: 'dataset', payload: {} })));
    },
  },
  quiet: ['contended', 'database_unavailable'],
  failed: () => {},

  run: async ({ ctx, dataset }, _, signal) => {
    if (!dataset) return { outcome: 'skipped' };
    const { db, settings, log } = ctx;
    const built = await buildDue({ db, settings, destination: dataset, log, signal });
    await recordRun(db);
    return { outcome: 'done', ...built };
  },
});
