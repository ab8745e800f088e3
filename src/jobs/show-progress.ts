import type { Context } from '../erasure/model/context.ts';
import { look } from '../erasure/progress/look.ts';
import type { ShowProgress } from './model/job.ts';
import type { Producers } from './redis/producers.ts';

const EVERY_MS = 1000;

/** At most once a second per erasure and process. Progress is for looking at: a failure is logged and forgotten. */
export function createShowProgress(ctx: Context, producers: Producers): ShowProgress {
  const last = new Map<string, number>();
  return async (erasureId, now = false) => {
    const time = Date.now();
    if (!now && time - (last.get(erasureId) ?? 0) < EVERY_MS) return;
    // An erasure that ended in another process is never looked at again here.
    if (last.size >= 1000) last.clear();
    last.set(erasureId, time);
    try {
      const seen = await look(ctx, erasureId);
      if (seen?.erasure.state !== 'running') last.delete(erasureId);
      if (!seen?.erasure.jobId) return;
      const { percent, rowsDeleted, rowsPlanned, etaSeconds, locations } = seen.progress;
      const progress = {
        percent,
        rowsDeleted,
        rowsPlanned,
        etaSeconds,
        locations: locations.map((l) => `${l.name} ${l.rowsDeleted}/${l.rowsPlanned ?? '?'}`),
      };
      await producers.queues.erasures.updateJobProgress(seen.erasure.jobId, progress);
    } catch (error) {
      ctx.log.debug({ erasureId, code: (error as Error).name }, 'progress not shown');
    }
  };
}
